"""The one error of this package."""


class BenchmarkError(Exception):
    """A measurement would not mean what it says; the message tells why."""
