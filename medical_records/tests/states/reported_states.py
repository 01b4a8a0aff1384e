"""States that people met in public: a file each in the folder `reported`, with what has to come of it.

A file is a comment of `key: value` lines, SQL that a superuser runs, and sections that begin with `--# name`:

hold    what another session runs in a transaction that stays open during the first `migrate`
person  what only a person can decide, run before the remedy
check   a query that returns true in the end

The role that owns the database is called `clinic` in them, and each is migrated by it and by a superuser. `:"db"` and `:db`
stand for the database's quoted name, `:role` for the role that migrates.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "reported"


@dataclass(frozen=True)
class ReportedState:
    """`want` is converge, refuse or either; `codes` are those that the refusal may have; `says` what its output holds.

    `superuser` is what is wanted where a superuser migrates: it may not be what hinders other roles. `keeps` are columns, as
    table.column, whose values the remedy converts: all others stay to the letter. `since` is the first version of PostgreSQL
    that has what the SQL uses. `is_slow` is for what takes long, or is of a kind that another test has as well.
    """

    name: str
    about: str
    want: str
    superuser: str
    codes: tuple[str, ...]
    says: str
    keeps: tuple[str, ...]
    since: int
    is_slow: bool
    sql: str
    sections: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> "ReportedState":
        first, *sections = re.split(r"^--# ", path.read_text(), flags=re.MULTILINE)
        header = dict(re.findall(r"^-- (\w+): (.+)$", first, re.MULTILINE))
        return cls(
            path.stem,
            header["about"],
            header["want"],
            header.get("superuser") or header["want"],
            _words(header.get("code", "")),
            header.get("says", ""),
            _words(header.get("keeps", "")),
            int(header.get("since", "0")),
            header.get("slow") == "yes" or "hold" in (name.split("\n")[0] for name in sections),
            first,
            dict(section.split("\n", 1) for section in sections),
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\s,]+", text))


def reported_states() -> list[ReportedState]:
    return [ReportedState.read(path) for path in sorted(FOLDER.glob("*.sql"))]
