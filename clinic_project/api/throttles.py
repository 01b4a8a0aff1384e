"""How often a login may fail. Successful ones don't count, so that a busy office behind one address isn't locked out.

Failures are counted in Django's cache. With its default, in memory, each worker process counts its own.
"""

import hashlib
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle


class FailedLogins(SimpleRateThrottle):
    """Lets requests through until `record_failure` has been called too often."""

    duration: int  # seconds; set from the rate

    def throttle_success(self) -> bool:
        return True

    def record_failure(self) -> None:
        """Count the request that was let through as a failure."""
        if self.key is not None:
            self.cache.set(self.key, [self.timer(), *self.history], self.duration)


class FailedLoginsByAddress(FailedLogins):
    scope = "failed_logins_by_address"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}


class FailedLoginsByEmail(FailedLogins):
    scope = "failed_logins_by_email"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        email = request.data.get("email") if isinstance(request.data, dict) else None
        if not isinstance(email, str):
            return None
        # Counted before anything is validated: half a surrogate pair, which no encoding takes, comes here too.
        digest = hashlib.sha256(email.lower().encode(errors="surrogatepass")).hexdigest()
        return self.cache_format % {"scope": self.scope, "ident": digest}


#: What a login is counted by: the API's and the admin's share the counts.
FAILED_LOGIN_THROTTLES: tuple[type[FailedLogins], ...] = (FailedLoginsByAddress, FailedLoginsByEmail)
