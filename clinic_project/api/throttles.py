"""How often a login may fail: within a minute, LIMITS times from one address and with one email.

Successful ones don't count, so that a busy office behind one address isn't locked out. All processes count together, in
the table of `LoginFailures`. An attempt is counted before its password is checked, and forgotten when it was the right
one: otherwise those that come at once would all be checked before the first has failed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import Throttled
from rest_framework.throttling import BaseThrottle

WINDOW = timedelta(minutes=1)
#: How many attempts may fail in a window, by what they have in common.
LIMITS: Mapping[str, int] = {"address": 30, "email": 10}

#: Rows are locked in the order of their keys, by this statement and by `_FORGET`: no two sessions wait for each other.
_COUNT = """
    INSERT INTO api_login_failures AS kept (key, times, is_full, expires_at)
    SELECT key, ARRAY[clock_timestamp()], false, clock_timestamp() + %(window)s
    FROM unnest(%(keys)s::uuid[]) AS key ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        (times, is_full) = (
            SELECT CASE WHEN is_full THEN times ELSE times || clock_timestamp() END, is_full
            FROM (SELECT times, cardinality(times) >= (%(limits)s::int[])[array_position(%(keys)s::uuid[], kept.key)]
                  FROM (SELECT ARRAY(SELECT time FROM unnest(kept.times) AS time
                                     WHERE time > clock_timestamp() - %(window)s)) AS recent (times)) AS r (times, is_full)
        ),
        expires_at = EXCLUDED.expires_at
    RETURNING key::text, times[cardinality(times)],
              CASE WHEN is_full THEN extract(epoch FROM times[1] + %(window)s - clock_timestamp())::float END"""

_FORGET = """
    WITH locked AS (
        SELECT key FROM api_login_failures WHERE key = ANY (%(keys)s::uuid[]) ORDER BY key FOR UPDATE
    )
    UPDATE api_login_failures AS kept SET times = array_remove(kept.times, attempt.time)
    FROM locked JOIN unnest(%(keys)s::uuid[], %(times)s::timestamptz[]) AS attempt (key, time) USING (key)
    WHERE kept.key = locked.key"""

#: More rows than one attempt adds, so that they become fewer.
_DELETE_EXPIRED = """
    DELETE FROM api_login_failures WHERE key IN (
        SELECT key FROM api_login_failures WHERE expires_at < clock_timestamp()
        ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED
    )"""


@dataclass(frozen=True)
class LoginAttempt:
    """An attempt that counts as a failure; `times` are those that it is counted by, by their keys."""

    times: Mapping[str, datetime]

    def forget(self) -> None:
        """Don't count it any more: it has succeeded."""
        parameters: dict[str, Any] = {"keys": list(self.times), "times": list(self.times.values())}
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(_FORGET, parameters)


def count_attempt(request: Any, email: str) -> LoginAttempt:
    """Count that somebody is about to prove to be the user with this email; `request` is Django's or DRF's.

    Raises Throttled if too many have failed, which isn't counted; and RuntimeError in a transaction, whose rollback would
    take the count back.
    """
    values = {"address": str(BaseThrottle().get_ident(request)), "email": email.lower()}
    limits = {_key(kind, value): LIMITS[kind] for kind, value in values.items()}
    parameters: dict[str, Any] = {"keys": list(limits), "limits": list(limits.values()), "window": WINDOW}
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)
        counted = cursor.fetchall()
        # Last: what it locks keeps nobody waiting who is waited for here.
        cursor.execute(_DELETE_EXPIRED)
    waits = [wait for _, _, wait in counted if wait is not None]
    attempt = LoginAttempt({key: time for key, time, wait in counted if wait is None})
    if waits:
        attempt.forget()
        raise Throttled(max(1, math.ceil(max(waits))))
    return attempt


def _key(kind: str, value: str) -> str:
    """Return what an address or an email is counted by, from which nobody without the SECRET_KEY gets it back."""
    # Half a surrogate pair, which no encoding takes, is counted as well.
    message = value.encode(errors="surrogatepass")
    digest = salted_hmac(f"{__name__}.{kind}", message, settings.SECRET_KEY, algorithm="sha256").digest()
    return str(UUID(bytes=digest[:16]))
