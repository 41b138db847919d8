"""The same examples in every run: a failure here can be repeated anywhere."""

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
