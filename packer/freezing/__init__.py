"""Freezing a Python program into a directory tree for a payload, and proving that it runs."""
