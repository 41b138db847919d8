"""The same examples in every run: a failure here can be repeated anywhere."""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=100,
    # Trees are drawn from many small parts, which is slow to begin with and not an error.
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_configure() -> None:
    """Programs that tests start must not inherit what `nohup` or a supervisor has ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
