"""How often a login may fail: LIMITS says it of an address, an email, and the codes of one user's two-step login.

Successful ones don't count, so that a busy office behind one address isn't locked out. All processes count together, in
the table of `LoginFailures`. An attempt is counted before it is checked, and forgotten when it was right: otherwise those
that come at once would all be checked before the first has failed.
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import Throttled
from rest_framework.throttling import BaseThrottle

from clinic_project.audit.transactions import atomic

#: How many attempts may fail, and within which time, by what they have in common. Of a million codes, three are right at any
#: time: at this rate, whoever knows the password has to try for more than a year. Fewer codes than passwords may fail, so
#: that the refusal names the longer time.
LIMITS: Mapping[str, tuple[int, timedelta]] = {
    "address": (30, timedelta(minutes=1)),
    "email": (10, timedelta(minutes=1)),
    "code": (5, timedelta(minutes=15)),
}

#: Rows are locked in the order of their keys, by this statement and by `_FORGET`: no two sessions wait for each other.
#: All of it goes by one time, EXCLUDED.times[1]: Citus takes an ON CONFLICT that calls IMMUTABLE functions alone.
_COUNT = """
    INSERT INTO api_login_failures AS kept (key, times, is_full, expires_at)
    SELECT key, ARRAY[clock_timestamp()], false, clock_timestamp() + period
    FROM unnest(%(keys)s::uuid[], %(periods)s::interval[]) AS counted (key, period) ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        (times, is_full) = (
            SELECT CASE WHEN is_full THEN times ELSE times || EXCLUDED.times END, is_full
            FROM (
                SELECT times, cardinality(times) >= most
                FROM unnest(%(keys)s::uuid[], %(limits)s::int[], %(periods)s::interval[]) AS counted (key, most, period),
                     LATERAL (SELECT ARRAY(SELECT time FROM unnest(kept.times) AS time
                                           WHERE EXCLUDED.times[1] - time < period)) AS recent (times)
                WHERE counted.key = kept.key
            ) AS limited (times, is_full)
        ),
        expires_at = EXCLUDED.expires_at
    RETURNING key::text, times[cardinality(times)], is_full, times[1], expires_at"""

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


class LoginAttempt:
    """What counts as a failed attempt until `forget` is called."""

    def __init__(self) -> None:
        self._times: dict[str, datetime] = {}

    def count(self, **values: str) -> None:
        """Count an attempt by `values`, whose names are those of LIMITS.

        Raises Throttled if one of them has failed too often, and then counts nothing; RuntimeError in a transaction,
        whose rollback would take the count back; and CommitsWait, as each change does.
        """
        limits = {_key(kind, value): LIMITS[kind] for kind, value in values.items()}
        most, periods = zip(*limits.values(), strict=True)
        parameters: dict[str, Any] = {"keys": list(limits), "limits": list(most), "periods": list(periods)}
        with atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(_COUNT, parameters)
            counted = cursor.fetchall()
            # Last: what it locks keeps nobody waiting who is waited for here.
            cursor.execute(_DELETE_EXPIRED)
        self._times |= {key: time for key, time, is_full, *_ in counted if not is_full}
        waits = [_wait(limits[key][1], first, expires) for key, _, is_full, first, expires in counted if is_full]
        if waits:
            self.forget()
            raise Throttled(max(1, math.ceil(max(waits).total_seconds())))

    def forget(self) -> None:
        """Count it no more: it has succeeded, or wasn't made."""
        if self._times:
            parameters: dict[str, Any] = {"keys": list(self._times), "times": list(self._times.values())}
            with transaction.atomic(durable=True), connection.cursor() as cursor:
                cursor.execute(_FORGET, parameters)


def count_attempt(request: Any, email: str) -> LoginAttempt:
    """Count that whoever sends `request`, Django's or DRF's, is about to prove to be the user with this email.

    Raises what `LoginAttempt.count` raises.
    """
    attempt = LoginAttempt()
    attempt.count(address=str(BaseThrottle().get_ident(request)), email=email)
    return attempt


def _wait(period: timedelta, first: datetime, expires: datetime) -> timedelta:
    """Return how long it is full from now on, by the database's clock: `first` counts for a period."""
    now = expires - period
    return first + period - now


def _key(kind: str, value: str) -> str:
    """Return what an address or an email is counted by: nobody without the SECRET_KEY gets it back from that."""
    # In capitals, as users are looked for: the dotless i has the same as i. Half a surrogate pair, which no encoding takes,
    # is counted as well.
    message = value.upper().encode(errors="surrogatepass")
    digest = salted_hmac(f"{__name__}.{kind}", message, settings.SECRET_KEY, algorithm="sha256").digest()
    return str(UUID(bytes=digest[:16]))
