"""What BabyAI's missions say, and ways to say it that people would use: read into their parts, and worded anew.

BabyAI's own grammar has one sentence for each thing that can be asked (Chevalier-Boisvert et al., "BabyAI", ICLR 2019). Here are
others, written by hand: common ones, and ones held out of training, each of whose words some common one for the same verb has
too, so that what is held out is the way of saying it and not a word.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from segue.errors import InvalidInput

COLOURS = ("blue", "green", "grey", "purple", "red", "yellow")
KINDS = ("ball", "box", "door", "key")


@dataclass(frozen=True, slots=True)
class Thing:
    """What a mission speaks of: a kind, perhaps of some colour (or ""), perhaps on one side of where the agent begins (`left`,
    `right`, `front`, `behind`, or ""), and whether there are `several` such."""

    kind: str
    colour: str = ""
    side: str = ""
    several: bool = False


@dataclass(frozen=True, slots=True)
class Mission:
    """`go` to one thing, `pick` one up, `open` one, or `put` one next to another."""

    verb: str
    things: tuple[Thing, ...]

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The colours and kinds that are named together."""
        return frozenset((thing.colour, thing.kind) for thing in self.things if thing.colour)


@dataclass(frozen=True, slots=True)
class _Wordings:
    common: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, held_out: bool) -> tuple[str, ...]:
        return self.held_out if held_out else self.common

    @property
    def every(self) -> tuple[str, ...]:
        return self.common + self.held_out


_SENTENCES = {  # the first of each is BabyAI's
    "go": _Wordings(
        (
            "go to {0}",
            "walk to {0}",
            "walk over to {0}",
            "find {0}",
            "head for {0}",
            "move next to {0}",
            "get close to {0}",
            "go and stand beside {0}",
            "find {0} and go to it",
            "make your way to {0}",
        ),
        (
            "head over to {0}",
            "find {0} and stand beside it",
            "move close to {0}",
            "go over and get next to {0}",
            "walk to {0} and stand close to it",
        ),
    ),
    "pick": _Wordings(
        (
            "pick up {0}",
            "pick {0} up",
            "take {0}",
            "grab {0}",
            "get {0}",
            "lift {0}",
            "collect {0}",
            "go and take {0}",
            "go to {0} and pick it up",
            "find {0} and get it",
        ),
        (
            "go and grab {0}",
            "lift {0} up",
            "find {0} and pick it up",
            "go to {0} and collect it",
            "find and take {0}",
        ),
    ),
    "open": _Wordings(
        (
            "open {0}",
            "open up {0}",
            "get {0} open",
            "pull {0} open",
            "go to {0} and open it",
            "find {0} and open it",
            "make sure that {0} is open",
            "leave {0} open",
        ),
        (
            "open {0} up",
            "go and open {0}",
            "find {0} and pull it open",
            "make sure to open {0}",
            "go to {0} and leave it open",
        ),
    ),
    "put": _Wordings(
        (
            "put {0} next to {1}",
            "place {0} beside {1}",
            "move {0} next to {1}",
            "bring {0} to {1}",
            "set {0} down by {1}",
            "drop {0} near {1}",
            "carry {0} over to {1}",
            "next to {1} put {0}",
            "beside {1} place {0}",
            "pick up {0} and put it next to {1}",
            "take {0} and leave it near {1}",
            "{1} should have {0} next to it",
        ),
        (
            "move {0} beside {1}",
            "near {1} set {0} down",
            "bring {0} over and place it next to {1}",
            "take {0} to {1} and drop it",
            "{1} should have {0} beside it",
        ),
    ),
}
_COLOURED = _Wordings(
    (
        "{the} {colour} {kind}",
        "{the} {colour} coloured {kind}",
        "{the} {kind} that is {colour}",
        "{the} {kind} in {colour}",
        "{the} {kind} whose colour is {colour}",
    ),
    ("{the} {kind} that is coloured {colour}", "{the} {kind} in the colour {colour}"),
)
_PLAIN = _Wordings(("{the} {kind}",), ("{the} {kind}",))
_SIDES = {
    "": _Wordings(("",), ("",)),
    "left": _Wordings(
        (" on your left", " to your left", " on the left", " which lies to the left"),
        (" which lies on your left", " to the left"),
    ),
    "right": _Wordings(
        (" on your right", " to your right", " on the right", " which lies to the right"),
        (" which lies on your right", " to the right"),
    ),
    "front": _Wordings(
        (" in front of you", " ahead of you", " to the front", " which lies in front of you"),
        (" which lies ahead of you", " which lies to the front"),
    ),
    "behind": _Wordings(
        (" behind you", " at your back", " to the back", " which lies behind you"),
        (" which lies at your back", " which lies to the back"),
    ),
}


def parsed(text: str) -> Mission:
    """What is asked in any of these wordings, BabyAI's own among them. Raises `InvalidInput` for other words.

    >>> parsed("pick up the ball that is red behind you")
    Mission(verb='pick', things=(Thing(kind='ball', colour='red', side='behind', several=False),))
    """
    for verb, sentence in _READ:
        if found := sentence.fullmatch(text):
            return Mission(verb, tuple(_seen(found[f"thing{number}"]) for number in range(sentence.groups)))
    raise InvalidInput(
        f"{text!r} is no mission that is known.", expected="a wording of going, picking up, opening or putting"
    )


def plain(mission: Mission) -> str:
    """A mission as BabyAI says it."""
    return next(wordings(mission))


def worded(mission: Mission, generator: np.random.Generator, *, held_out: bool = False) -> str:
    """A mission in words drawn from the common wordings, or from those held out.

    >>> worded(parsed("put the red ball next to a key behind you"), np.random.default_rng(0))
    'take the ball in red and leave it near a key to the back'
    """

    def drawn(offered: Sequence[str]) -> str:
        return offered[int(generator.integers(len(offered)))]

    sentence = drawn(_SENTENCES[mission.verb].of(held_out))
    return sentence.format(*(drawn(_phrases(thing, held_out)) for thing in mission.things))


def wordings(mission: Mission, *, held_out: bool = False) -> Iterator[str]:
    """Every common wording of a mission, BabyAI's own first, or every one held out."""
    phrases = (_phrases(thing, held_out) for thing in mission.things)
    for sentence, *things in product(_SENTENCES[mission.verb].of(held_out), *phrases):
        yield sentence.format(*things)


def _phrases(thing: Thing, held_out: bool) -> list[str]:
    forms, sides = (_COLOURED if thing.colour else _PLAIN).of(held_out), _SIDES[thing.side].of(held_out)
    the = "a" if thing.several else "the"
    return [form.format(the=the, colour=thing.colour, kind=thing.kind) + side for form, side in product(forms, sides)]


def _seen(phrase: str) -> Thing:
    found = next(found for form in _THINGS if (found := form.fullmatch(phrase))).groupdict()
    return Thing(found["kind"], found.get("colour", ""), _SIDE_OF[found["side"]], found["the"] == "a")


_SIDE_OF = {phrase: side for side, phrases in _SIDES.items() for phrase in phrases.every}
_THINGS = [
    re.compile(
        form.format(
            the="(?P<the>a|the)", colour=f"(?P<colour>{'|'.join(COLOURS)})", kind=f"(?P<kind>{'|'.join(KINDS)})"
        )
        + f"(?P<side>{'|'.join(_SIDE_OF)})"
    )
    for form in (*_COLOURED.every, *_PLAIN.common)
]
_THING = "|".join(re.sub(r"\?P<\w+>", "?:", form.pattern) for form in _THINGS)
_READ = [
    (verb, re.compile(sentence.format(*(f"(?P<thing{number}>{_THING})" for number in range(2)))))
    for verb, sentences in _SENTENCES.items()
    for sentence in sentences.every
]
