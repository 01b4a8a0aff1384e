"""How thorough the tests are: TEST_PROFILE=nightly in the environment lets them run for hours."""

import os

from hypothesis import HealthCheck, settings

NIGHTLY = os.environ.get("TEST_PROFILE") == "nightly"

# Each example makes and migrates a database, so that its time says nothing.
_UNTIMED = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
PROFILE = settings(_UNTIMED, max_examples=2000) if NIGHTLY else settings(_UNTIMED, max_examples=12, derandomize=True)
