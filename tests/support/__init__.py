"""Builders that the tests share: trees, payloads, and payloads that break a rule."""
