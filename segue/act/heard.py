"""How far a request sounds like an instruction to walk in a house: by the phrases that instructions begin with, the names of
rooms and things there, and the words that an agent has learned. Plain words and tables: nothing learned is opened for it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from segue.act.worlds.furnished.floor_plan import FloorPlan
from segue.act.worlds.furnished.wordings import (
    ALONG,
    CLIMBS,
    ENTERS,
    GOALS,
    LEADS,
    LEAVES,
    PASSES,
    ROOMS,
    STOPS,
    STRAIGHT,
    THINGS,
    TURNS,
    Phrases,
)

_WORD = re.compile(r"[^\W\d_]+|\d+")
_MOVING = frozenset({"go", "walk", "come", "enter", "exit", "climb", "step", "stand", "wait"})
"""What begins an instruction to move, whatever comes next; all other beginnings are looked at as far as they are fixed."""
_ELSE = frozenset({"find", "look", "check", "clean", "leave", "continue", "keep"})
"""What also begins a search, or another command of a home: then both a room and a thing have to be named."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The share of its words that the agent knows, whether the first ones begin instructions (`begins`), and begin nothing else
    (`surely`), and the kinds of `rooms` and names of `things` of the house, in the order in which they are named."""

    known: float
    begins: bool
    surely: bool
    rooms: tuple[str, ...]
    things: tuple[str, ...]

    @property
    def confidence(self) -> float:
        """That it is an instruction: the share of known words, of what begins like one and names a place in the house."""
        names = bool(self.rooms or self.things) if self.surely else bool(self.rooms and self.things)
        return self.known if self.begins and names else 0.0

    @property
    def slots(self) -> dict[str, str]:
        """Where it ends: the room and the thing that are named last."""
        return {name: found[-1] for name, found in (("room", self.rooms), ("thing", self.things)) if found}


class Listener:
    """Knows an agent's words, and what rooms and things are called that are in one house."""

    def __init__(self, words: Iterable[str], plan: FloorPlan) -> None:
        self._words = frozenset(words)
        self._rooms = _Names(ROOMS, {room.kind for room in plan.rooms})
        self._things = _Names(THINGS, {thing.name for thing in plan.things})

    def hear(self, text: str) -> Heard:
        """Listen to a request.

        >>> from segue.act.worlds.furnished.houses import furnished
        >>> heard = Listener("go to the kitchen and stop at sink".split(), furnished(1).plans[0])
        >>> heard.hear("Please go to the kitchen, and stop at the sink!").slots
        {'room': 'kitchen', 'thing': 'sink'}
        >>> heard.hear("songs about the kitchen").confidence
        0.0
        """
        words = _WORD.findall(text.lower())
        said = " ".join(words)
        for lead in _LEADS:
            said = said.removeprefix(lead)
        first = said.partition(" ")[0]
        return Heard(
            known=sum(word in self._words for word in words) / max(1, len(words)),
            begins=first in _MOVING or said.startswith(_BEGINNINGS),
            surely=first not in _ELSE,
            rooms=tuple(self._rooms.named(said)),
            things=tuple(self._things.named(said)),
        )


class _Names:
    """What people call some kinds of rooms or things."""

    def __init__(self, called: Mapping[str, tuple[str, ...]], there: set[str]) -> None:
        self._of = {
            name.lower().replace("'", " "): kind for kind in sorted(there) for name in (*called.get(kind, ()), kind)
        }
        longest = sorted(self._of, key=lambda name: (-len(name), name))
        self._pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})\b")

    def named(self, said: str) -> Iterator[str]:
        return (self._of[found] for found in self._pattern.findall(said))


def _beginnings(phrases: Iterable[Phrases]) -> Iterator[str]:
    """What phrases begin with, up to the first name in them."""
    for phrase in phrases:
        for one in (*phrase.common, *phrase.held_out):
            yield " ".join(_WORD.findall(one.partition("{")[0].lower()))


_STEPS = (*TURNS.values(), STRAIGHT, ALONG, LEAVES, ENTERS, PASSES, *CLIMBS.values(), STOPS, GOALS)
_BEGINNINGS = tuple(sorted({f"{said} " for said in _beginnings(_STEPS)}))
_LEADS = sorted(
    {f"{lead.strip().lower()} " for lead in (*LEADS.common, *LEADS.held_out) if lead}, key=len, reverse=True
)
