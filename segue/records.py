"""What travels through the house. Every record is frozen; a step makes a new one and never changes what it was given.

Shapes: `n` candidates of one strategy. An item is named `(domain, id)` outside a domain and by its `number`, a whole
number that is never used twice, inside one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked: `text` in plain language and the `context` it was said in (device, user, time of day)."""

    id: str
    text: str
    context: Mapping[str, str] = field(default_factory=dict)
    domain: str | None = None
    limit: int = 10
    seed: int = 0
    time: float = 0.0
    """Seconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of a request: what `domain` it belongs to, what it wants (`intent`) and of what (`slots`)."""

    domain: str
    intent: str
    slots: Mapping[str, str]
    confidence: float
    """Probability that this reading is the right one; comparable between domains."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one strategy returned, best first: item `numbers` int64 [n] and their `scores` float32 [n], descending."""

    strategy: str
    numbers: Numbers
    scores: Scores

    def __len__(self) -> int:
        return len(self.numbers)

    def top(self, k: int) -> "Candidates":
        return Candidates(self.strategy, self.numbers[:k], self.scores[:k])


@dataclass(frozen=True, slots=True)
class Selection:
    """One decision of the selection policy: ask `strategy` for `k` candidates, chosen with probability `propensity`."""

    domain: str
    strategy: str
    k: int
    propensity: float


@dataclass(frozen=True, slots=True)
class Source:
    """Where a result came from: its `rank` (1 is best) and `score` in one strategy's list."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Result:
    """One item of an answer with the reasons for its place."""

    id: str
    title: str
    domain: str
    score: float
    sources: Mapping[str, Source]
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The catalogue's own fields of the item, for display."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent stood: the place's name, its room, the floor from 0, metres to the east and north, and where it looked, in
    degrees clockwise from north."""

    name: str
    room: str
    floor: int
    x: float
    y: float
    heading: float


@dataclass(frozen=True, slots=True)
class Step:
    """What an agent did at a place: `walk` to the next one or `stop`, how likely that was to it, and what its own learned reward
    gives for it."""

    action: Literal["walk", "stop"]
    probability: float
    reward: float


@dataclass(frozen=True, slots=True)
class Walked:
    """How an agent carried out an instruction: `steps[i]` was done at `places[i]`. One that did not stop was broken off at the
    last place, which has no step."""

    agent: str
    """The folder among the store's artifacts."""
    house: Mapping[str, int]
    """The seed and the number of the generated house."""
    places: tuple[Place, ...]
    steps: tuple[Step, ...]
    stopped: bool
    near: str
    """The thing that it ended at: the one that was asked for, if that is within 3 m in the last room, else the nearest there."""
    likely: float
    """Probability, by the agent's own reward, that this was asked and not something else."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """Rooms, doors and things of the house, to draw it."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """What a request may mean, to choose from: a `label` such as "the film", and the `title` of the domain's first result."""

    hypothesis: Hypothesis
    label: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Asked back when two domains are about as likely. Choosing is to ask again with `domain=`."""

    text: str
    choices: tuple[Alternative, ...]


Decision = Literal["clear", "ask", "nobody's"]
"""Whether the first hypothesis can be gone on with, is too close to the second, or no domain is likely to be meant."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request led to. `trace` explains it: readings, what was asked of each domain, time of every step. Where the
    `decision` is not clear, the `hypotheses` are the nearest guesses, and the results are those of the likeliest all the same."""

    id: str
    request: Request
    hypotheses: tuple[Hypothesis, ...]
    results: tuple[Result, ...]
    selection: tuple[Selection, ...]
    milliseconds: float
    trace: Mapping[str, Any] = field(default_factory=dict)
    decision: Decision = "clear"
    question: Question | None = None
    walked: Walked | None = None
    """Where an agent answered."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person did with a result. `id` is the client's: the same id sent twice counts once."""

    id: str
    answer: str
    domain: str
    item: str
    action: str
    time: float = 0.0
    """Seconds since 1970, UTC."""
