"""How thorough the proofs are: enough for every push, or, with PROOFS=long in the environment, for a night."""

import os

from hypothesis import HealthCheck, settings

LONG = os.environ.get("PROOFS") == "long"

# A database is made and migrated for each example: their time says nothing.
_SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
PROFILE = settings(_SLOW, max_examples=2000) if LONG else settings(_SLOW, max_examples=12, derandomize=True)
