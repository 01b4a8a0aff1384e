"""Which real object is the declared one: the one that means the same, whatever its name."""

from collections.abc import Iterable
from typing import TypeVar

from ..schema import Constraint, Index, is_helper_name

_Named = TypeVar("_Named", Index, Constraint)


def match(declared: Iterable[_Named], real: Iterable[_Named]) -> dict[str, _Named]:
    """Give each declared object the real one of its meaning, by the declared one's name; its own name goes first."""
    declared, rest = list(declared), {r.name: r for r in real}
    result = {w.name: rest.pop(w.name) for w in declared if w.name in rest and rest[w.name].meaning == w.meaning}
    for wanted in declared:
        candidates = [r for r in rest.values() if r.meaning == wanted.meaning]
        if candidates and wanted.name not in result:
            # One that we built ourselves, in a run that was interrupted, before a stranger's.
            chosen = min(candidates, key=lambda r: (not is_helper_name(r.name), r.name))
            result[wanted.name] = rest.pop(chosen.name)
    return result
