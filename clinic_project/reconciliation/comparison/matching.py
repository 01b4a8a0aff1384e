"""Which real object is the declared one: the one that means the same, whatever its name."""

from collections.abc import Iterable
from typing import TypeVar

from ..schema import Constraint, Index, is_helper_name

_Named = TypeVar("_Named", Index, Constraint)


def match(declared: Iterable[_Named], real: Iterable[_Named]) -> dict[str, _Named]:
    """Give each declared object the real one of its meaning, by the declared one's name; its own name goes first."""
    declared, rest = list(declared), list(real)
    result: dict[str, _Named] = {}
    for by_name in (True, False):
        for wanted in declared:
            candidates = [r for r in rest if r.meaning == wanted.meaning and (r.name == wanted.name or not by_name)]
            if candidates and wanted.name not in result:
                # One that we built ourselves, in a run that was interrupted, before a stranger's.
                chosen = min(candidates, key=lambda r: (not is_helper_name(r.name), r.name))
                result[wanted.name] = chosen
                rest.remove(chosen)
    return result
