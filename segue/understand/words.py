"""A text as words, and slots as tags on words.

A word is a run of letters and digits, or one other character that is not white space. Tags are the usual B-, I-, O: the word
begins a slot, goes on with it, or is in none. A tagging and a set of slots stand for each other one to one.
"""

import re
from collections.abc import Sequence

from segue.understand.hypotheses import Slot

Span = tuple[int, int]
"""Where a word begins and ends in the text; characters, the end exclusive."""

OUTSIDE = "O"
_WORD = re.compile(r"\w+|[^\w\s]")
MOST = 128
"""Words of a text that are read; what stands behind them is in no slot. Requests have 7 on average."""


def words(text: str) -> list[Span]:
    """Where the first `MOST` words stand.

    >>> words("what's on?")
    [(0, 4), (4, 5), (5, 6), (7, 9), (9, 10)]
    """
    found = []
    for match in _WORD.finditer(text):
        found.append(match.span())
        if len(found) == MOST:
            break
    return found


def tags(spans: Sequence[Span], slots: Sequence[Slot]) -> list[str]:
    """One tag a word. A slot that begins or ends inside a word takes the whole word; of two slots in one word the first has it.

    >>> tags(words("wake me at 7 am"), [Slot("time", 11, 15)])
    ['O', 'O', 'O', 'B-time', 'I-time']
    """
    found = [OUTSIDE] * len(spans)
    for slot in slots:
        inside = [place for place, (start, end) in enumerate(spans) if start < slot.end and end > slot.start]
        free = [place for place in inside if found[place] == OUTSIDE]
        for place in free:
            found[place] = f"{'B' if place == free[0] else 'I'}-{slot.name}"
    return found


def slots(spans: Sequence[Span], tagged: Sequence[str]) -> tuple[Slot, ...]:
    """The slots that tags stand for; an I- that continues nothing begins a slot.

    >>> slots(words("wake me at 7 am"), ["O", "O", "O", "B-time", "I-time"])
    (Slot(name='time', start=11, end=15),)
    """
    pieces: list[tuple[str, int, int]] = []
    before = OUTSIDE
    for place, tag in enumerate(tagged):
        if tag != OUTSIDE:
            if tag[0] == "I" and before[2:] == tag[2:]:
                name, first, _ = pieces.pop()
                pieces.append((name, first, place))
            else:
                pieces.append((tag[2:], place, place))
        before = tag
    return tuple(Slot(name, spans[first][0], spans[last][1]) for name, first, last in pieces)
