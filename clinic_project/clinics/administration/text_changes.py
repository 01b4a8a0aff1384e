"""Which words of a text were changed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

#: Comparing takes time by the square of this: a tenth of a second here.
MAX_WORDS = 500
#: Below, nothing much is the same, and the two are read more easily one after the other.
MIN_ALIKE = 0.5

#: With the spaces before it: what is added at the end leaves the words before as they are.
_WORD = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text: in both (neither is set), only in the earlier one, or only in the later one."""

    text: str
    is_removed: bool = False
    is_added: bool = False


def text_changes(before: str, after: str) -> list[Part]:
    """Return both texts as one; empty where they are too long or too different for that."""
    earlier, later = _WORD.findall(before), _WORD.findall(after)
    if max(len(earlier), len(later)) > MAX_WORDS:
        return []
    matcher = SequenceMatcher(None, earlier, later, autojunk=False)
    if matcher.ratio() < MIN_ALIKE:
        return []
    return list(_parts(matcher, earlier, later))


def _parts(matcher: SequenceMatcher[str], earlier: list[str], later: list[str]) -> Iterator[Part]:
    for kind, start, end, later_start, later_end in matcher.get_opcodes():
        if kind == "equal":
            yield Part("".join(earlier[start:end]))
            continue
        if end > start:
            yield Part("".join(earlier[start:end]), is_removed=True)
        if later_end > later_start:
            yield Part("".join(later[later_start:later_end]), is_added=True)
