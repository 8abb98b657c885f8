"""How much is tried against the models of the store."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

MANY = 25 if os.environ.get("RESPONDER_TEST_PROFILE") == "fuzz" else 1
"""So many times as many examples."""
PATIENT = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=set(Phase) - {Phase.shrink, Phase.explain},  # a failure must be told before the test's time is up
)
"""What all of them have in common."""
