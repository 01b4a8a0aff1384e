"""Commits that wait for a synchronous standby, which PostgreSQL lets them do without end.

No limit of that wait would be honest: a commit whose wait is cancelled stands on the primary and nowhere else, and one whose
client has hung up goes on waiting. So it is the next change that is refused, before it begins, once one has waited too long.

https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION
"""

from dataclasses import dataclass

from django.db import OperationalError, connections

#: Seconds that a commit may wait until other changes are refused: a standby that is started anew takes less.
MAX_WAIT = 5

#: Statements that are a transaction of their own are left out: they may have begun long before their commit did. Not the
#: view on the function: each change plans this, and the view's joins took 0.3 ms.
_WAITING = (
    "SELECT FROM pg_stat_get_activity(NULL) WHERE wait_event = 'SyncRep' AND query = 'COMMIT'"
    f" AND query_start < clock_timestamp() - {MAX_WAIT} * interval '1 second'"
)
#: Whether a commit of this session waits for a standby.
_WAITED_FOR = (
    "current_setting('synchronous_standby_names') <> ''"
    " AND current_setting('synchronous_commit') NOT IN ('off', 'local')"
)
#: Whether one waits for longer, as an expression. PostgreSQL tells a role of its own sessions only, unless it is in
#: pg_read_all_stats. Where this session waits for none, this looks at nobody.
COMMITS_WAIT = f"CASE WHEN {_WAITED_FOR} THEN EXISTS ({_WAITING}) ELSE false END"

#: A role sees that there are other roles' standbys, and not whether commits wait for them.
_LOOK = f"""
    SELECT current_setting('synchronous_standby_names'),
        EXISTS (SELECT FROM pg_stat_replication WHERE coalesce(sync_state, 'sync') IN ('sync', 'quorum')),
        (SELECT count(*) FROM ({_WAITING}) AS waiting)
    WHERE {_WAITED_FOR}
"""


class CommitsWait(OperationalError):
    """A change wasn't begun: its commit would wait for a standby, as others have for more than MAX_WAIT seconds."""


@dataclass(frozen=True)
class Wait:
    """Why commits wait: the value of `synchronous_standby_names`, and whether a standby is attached.

    `commits` is how many have waited for more than MAX_WAIT seconds, of those that this role is told of.
    """

    standby_names: str
    attached: bool
    commits: int


def why_commits_wait(using: str) -> Wait | None:
    """Return why commits wait for a standby, or will; None where they don't, as far as this role is told."""
    with connections[using].cursor() as cursor:
        cursor.execute(_LOOK)
        found = cursor.fetchone()
    if found is None:
        return None
    wait = Wait(*found)
    return wait if wait.commits or not wait.attached else None
