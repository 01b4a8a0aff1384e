"""Sessions in the database, whose keys are looked for only if Django can have made them."""

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore


class SessionStore(DatabaseSessionStore):
    """Any other key, with a NUL in it say, would be an error of the driver, and no bad credential."""

    def _validate_session_key(self, key: str) -> bool:
        return re.fullmatch("[a-z0-9]{8,40}", key or "") is not None
