"""``stigmer``: install what the program carries, and run it as supervised services."""
