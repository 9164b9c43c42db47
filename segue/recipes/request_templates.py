"""Ways to ask, written by hand: a text file a domain, that people can read and add lines to; and how a line becomes a request.

`data/requests-films.txt` says at its top how to write one. A request is put together from pieces, so the places of its slots are
known and nothing is labelled by hand.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from numpy.random import Generator

from segue.understand.hypotheses import Interpretation, Slot

_HEAD = re.compile(r"\[(?P<intent>\w+) (?P<share>\d+)\]|\{(?P<name>\w+)\}")
_LINE = re.compile(r"(?P<command>~ )?(?:(?P<weight>\d+) )?(?P<text>.+)")
_CHOICE = re.compile(r"\(([^()]*)\)")
_BLANK = re.compile(r"\{(\w*)(?::(\w+))?\}")

_BEFORE = (
    "please",
    "can you",
    "could you",
    "would you",
    "can you please",
    "hey",
    "ok",
    "i want you to",
    "will you",
    "now",
)
_AFTER = ("please", "thanks", "for me", "for me please", "now", "would you")
_POLITE, _PLEASE, _MARK = 0.16, 0.07, 0.12
"""How often a command is asked politely before it, and after it; how often a question has its mark."""

_QUESTION = re.compile(
    r"(?:who|what|when|which|how|where|whose|is|are|was|were|did|do|does|have|has|can|could|would|will)\b"
)


@dataclass(frozen=True, slots=True)
class Template:
    """One way to ask: `text` with (a|b|) for alternatives and {slot:list} for values. A `command` may be asked politely."""

    intent: str
    text: str
    weight: float
    command: bool

    @property
    def blanks(self) -> list[tuple[str, str]]:
        """The slots that it may have, "" for none, and the list or column that each is filled from."""
        return [(name, source or name) for name, source in _BLANK.findall(self.text)]

    @property
    def wordless(self) -> bool:
        """Nothing but values, such as a title alone."""
        return not re.search(r"\w", _BLANK.sub("", self.text))


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """How people ask in one domain: `shares` says how often each intent is meant, `values` holds the lists by their names."""

    domain: str
    templates: Sequence[Template]
    shares: Mapping[str, float]
    values: Mapping[str, Sequence[str]]


def phrasebook(domain: str) -> Phrasebook:
    """The one that comes with Segue for `domain`: films, songs, books, home or nobody.

    >>> "play" in phrasebook("songs").shares
    True
    """
    return parsed(domain, files("segue.recipes").joinpath("data", f"requests-{domain}.txt").read_text(encoding="utf-8"))


def parsed(domain: str, text: str) -> Phrasebook:
    """A phrasebook from the text of its file."""
    templates: list[Template] = []
    shares: dict[str, float] = {}
    values: dict[str, list[str]] = {}
    intent, listed = "", None
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if head := _HEAD.fullmatch(line):
            intent, listed = head["intent"], None
            if intent:
                shares[intent] = float(head["share"])
            else:
                listed = values.setdefault(head["name"], [])
        elif listed is not None:
            listed += [value.strip() for value in line.split("|")]
        elif found := _LINE.fullmatch(line):
            templates.append(Template(intent, found["text"], float(found["weight"] or 1), bool(found["command"])))
    return Phrasebook(domain, templates, shares, values)


def said(
    template: Template, value: Callable[[str], str | None], random: Generator, *, lower: bool
) -> tuple[str, Interpretation] | None:
    """One request of a template and what it means; `value` gives a value of a list or column, None where it has none, and then
    there is no request. `lower`: all in lower case, as most people type.

    >>> import numpy as np
    >>> play = Template("play", "play a {genre} song", 1, command=False)
    >>> said(play, lambda name: "indie", np.random.default_rng(0), lower=True)
    ('play an indie song', Interpretation(intent='play', slots=(Slot(name='genre', start=8, end=13),)))
    """
    text, slots = "", []
    for piece, name, source in _pieces(_worded(template, random)):
        filled = piece if not source else value(source)
        if filled is None:
            return None
        if source and re.search(r"\ba $", text, re.IGNORECASE) and filled[0].lower() in "aeiou":
            text = f"{text[:-1]}n "
        filled = filled.lower() if lower else filled
        if name:
            slots.append(Slot(name, len(text), len(text) + len(filled)))
        text += filled
    text = text if lower else text[0].upper() + text[1:]
    return text, Interpretation(template.intent, tuple(slots))


def _worded(template: Template, random: Generator) -> str:
    """The template with its alternatives chosen, and now and then a polite word."""
    text = template.text
    while _CHOICE.search(text):  # the innermost first
        text = _CHOICE.sub(lambda found: _one(found[1].split("|"), random), text)
    if template.command and random.random() < _POLITE:
        text = f"{_one(_BEFORE, random)} {text}"
    if template.command and random.random() < _PLEASE:
        text = f"{text} {_one(_AFTER, random)}"
    if _QUESTION.match(text) and random.random() < _MARK:
        text = f"{text}?"
    return re.sub(r"\s+(?=[,'?])", "", " ".join(text.split()))


def _pieces(text: str) -> list[tuple[str, str, str]]:
    """Words, slot and source, by turns: words have no source, values no words."""
    pieces, end = [], 0
    for blank in _BLANK.finditer(text):
        pieces += [(text[end : blank.start()], "", ""), ("", blank[1], blank[2] or blank[1])]
        end = blank.end()
    return [piece for piece in [*pieces, (text[end:], "", "")] if any(piece)]


def _one(choices: Sequence[str], random: Generator) -> str:
    return choices[int(random.integers(len(choices)))]
