"""Side by side with the obvious alternatives, as ratios from one run; never part of the tests."""
