"""How thorough the tests are: TEST_PROFILE=nightly in the environment lets them run for hours."""

import os

from hypothesis import HealthCheck, settings

NIGHTLY = os.environ.get("TEST_PROFILE") == "nightly"

# What an example takes says nothing: most make and migrate a database, and the machine may be slow.
_UNTIMED = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
_NIGHTLY = settings(_UNTIMED, max_examples=2000)
# Outside of it, the examples are the same in each run: a test fails by a change, not by chance.
_REPEATED = settings(_UNTIMED, derandomize=True, database=None)
PROFILE = _NIGHTLY if NIGHTLY else settings(_REPEATED, max_examples=12)
#: That of tests without a database.
PURE = _NIGHTLY if NIGHTLY else _REPEATED
