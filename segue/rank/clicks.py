"""Simulated people: who looks at which place of a page and clicks what, when no real log of clicks can be had.

Two families of behaviour that a learner cannot both assume: position-based, where every place is looked at by itself, and
the dependent click model, where a page is read from the top until a click or patience ends it. A `Crowd` adds what real
logs have: bots, answers that nobody looks at, and feedback that comes late.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput

NOISE = MappingProxyType({"low": (0.95, 0.05), "high": (0.6, 0.2)})
"""Name → chance that a wholly relevant and a wholly irrelevant item is clicked once it is looked at."""

_BOT = 0.3
"""Chance that a bot clicks an item, whatever the item and its place."""

_LONGEST = 10_000
"""Results on one page at most: bounds what is kept of the powers of ranks."""


class Behaviour(Protocol):
    """How one person acts on one page."""

    def clicks(self, relevance: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.bool_]:
        """Which items are clicked, bool [n], for items of `relevance` float64 [n] in [0, 1], in the order shown."""
        ...


@dataclass(frozen=True, slots=True)
class PositionBased:
    """The item at rank r (from 1) is looked at with chance r^−eta, whatever stands around it, and then perhaps clicked.

    The chance of a click, once looked at, is `relevant` for relevance 1, ε⁻_r = `irrelevant` + `trust` · (`relevant` −
    `irrelevant`) / r for relevance 0, and linear between. `trust` in [0, 1] is the belief that what stands first is good.

    Source: Joachims, Swaminathan and Schnabel, "Unbiased Learning-to-Rank with Biased Feedback" (WSDM 2017); Agarwal et
    al., "Addressing Trust Bias for Unbiased Learning-to-Rank" (WWW 2019), where ε⁺ and ε⁻ are free numbers for every
    rank; here ε⁺ is constant and ε⁻ falls with the rank.

    >>> PositionBased(eta=2).examination(3).tolist()
    [1.0, 0.25, 0.1111111111111111]
    """

    eta: float = 1.0
    relevant: float = 0.95
    irrelevant: float = 0.05
    trust: float = 0.0

    def __post_init__(self) -> None:
        _from_zero("eta", self.eta)
        _clickable(self.relevant, self.irrelevant)
        _probability("trust", self.trust)

    def examination(self, n: int) -> NDArray[np.float64]:
        """The chance that each of the first `n` places is looked at, float64 [n]."""
        return _falling(self.eta, _length(n)).copy()

    def probabilities(self, relevance: NDArray[np.float64]) -> NDArray[np.float64]:
        """The chance of a click on each item, float64 [n]; the clicks of one page are independent of each other."""
        looked = _falling(self.eta, _length(len(relevance)))
        by_trust = self.trust * _falling(1.0, len(relevance)) if self.trust else 0.0
        without = self.irrelevant + (self.relevant - self.irrelevant) * by_trust
        return looked * (without + relevance * (self.relevant - without))

    def clicks(self, relevance: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.bool_]:
        return random.random(len(relevance)) < self.probabilities(relevance)


@dataclass(frozen=True, slots=True)
class Cascade:
    """The page is read from the top; after a click at rank r one reads on with chance λ_r = `again` · r^−eta.

    An item that is read is clicked with a chance that is linear in its relevance, from `irrelevant` to `relevant`. After
    an item that was not clicked the page is left with chance `leave`.

    Source: Guo, Liu and Wang, "Efficient Multiple-Click Models in Web Search" (WSDM 2009), the dependent click model. There
    λ_r is a free number for every rank and nobody leaves without a click.
    """

    eta: float = 1.0
    relevant: float = 0.95
    irrelevant: float = 0.05
    again: float = 0.9
    leave: float = 0.05

    def __post_init__(self) -> None:
        _from_zero("eta", self.eta)
        _clickable(self.relevant, self.irrelevant)
        _probability("again", self.again)
        _probability("leave", self.leave)

    def clicks(self, relevance: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.bool_]:
        n = _length(len(relevance))
        liking, patience = random.random((2, n))
        liked: NDArray[np.bool_] = liking < self.irrelevant + (self.relevant - self.irrelevant) * relevance
        stops = patience >= np.where(liked, self.again * _falling(self.eta, n), 1.0 - self.leave)
        if stops.any():
            liked[stops.argmax() + 1 :] = False
        return liked


def behaviour(family: str, noise: str, *, eta: float = 1.0, trust: float = 0.0) -> Behaviour:
    """A behaviour by name: `family` is position or cascade, `noise` is one of `NOISE`.

    `eta` says how fast attention falls with the rank; `trust` exists in the position-based family only. Raises
    `InvalidInput` for an unknown name, and for trust in a cascade.
    """
    if noise not in NOISE:
        raise InvalidInput(f"There is no noise {noise!r}.", expected=" or ".join(NOISE))
    relevant, irrelevant = NOISE[noise]
    if family == "position":
        return PositionBased(eta, relevant, irrelevant, trust)
    if family == "cascade":
        if trust:
            raise InvalidInput(
                "A cascade has no trust bias.", expected="trust 0", fix="leave trust out, or use position"
            )
        return Cascade(eta, relevant, irrelevant)
    raise InvalidInput(f"There is no family of behaviour {family!r}.", expected="position or cascade")


@dataclass(frozen=True, slots=True)
class Crowd:
    """A stream of people, one at each interaction, who are the same whatever the others were shown.

    A share `bots` of all interactions is that of bots, which click every item with the same chance; of the others' answers
    a share `unseen` is looked at by nobody. A click is told `delay` interactions later on average (geometric, from 0).

    What happens at an interaction follows from `seed`, its number and its page alone. So two policies that are compared
    on one stream meet the same people, and the difference between them has less variance.
    """

    behaviour: Behaviour
    bots: float = 0.015
    unseen: float = 0.05
    delay: float = 2.0
    seed: int = 0
    _key: NDArray[np.uint64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _probability("bots", self.bots)
        _probability("unseen", self.unseen)
        _from_zero("delay", self.delay)
        object.__setattr__(self, "_key", np.random.SeedSequence(_whole("seed", self.seed)).generate_state(2, np.uint64))

    def visit(self, interaction: int, relevance: NDArray[np.float64]) -> list[tuple[int, int]]:
        """The clicks on the page shown at an interaction (a number from 0): (interaction when it is told, position from 1).

        Clicks are sorted by when they are told. `relevance` float64 [n] is in [0, 1], in the order shown.
        """
        random = np.random.Generator(
            np.random.Philox(key=self._key, counter=[0, 0, _whole("interaction", interaction), 0])
        )
        bot, seen = random.random(2)
        if bot < self.bots:
            clicked = random.random(len(relevance)) < _BOT
        elif seen < self.unseen:
            return []
        else:
            clicked = self.behaviour.clicks(relevance, random)
        positions = np.flatnonzero(clicked) + 1
        if not len(positions):
            return []
        due = interaction + random.geometric(1 / (1 + self.delay), len(positions)) - 1
        return sorted(zip(due.tolist(), positions.tolist(), strict=True))


def zipf_stream(queries: int, interactions: int, *, seed: int, exponent: float = 1.0) -> NDArray[np.int64]:
    """Which query is asked at each interaction, int64 [interactions] from 0: the i-th most frequent ∝ i^−exponent.

    Which queries are frequent is a random order, so that the order of the caller's list means nothing.
    """
    if _whole("queries", queries) < 1:
        raise InvalidInput("There are no queries to ask.", expected="at least one")
    _from_zero("exponent", exponent)
    random = np.random.default_rng(_whole("seed", seed))
    weights = np.arange(1, queries + 1, dtype=np.float64) ** -exponent
    order = random.permutation(queries)
    chosen = random.choice(queries, size=_whole("interactions", interactions), p=weights / weights.sum())
    return order[chosen].astype(np.int64)


def relevance(grades: Sequence[float] | NDArray[np.float64], highest: float) -> NDArray[np.float64]:
    """Judges' grades from 0 to `highest` as relevance in [0, 1], float64 [n]: (2^grade − 1) / (2^highest − 1).

    Source: Chapelle et al., "Expected Reciprocal Rank for Graded Relevance" (CIKM 2009), but scaled
    so that the highest grade is 1.

    >>> relevance([0, 1, 2], highest=2).tolist()
    [0.0, 0.3333333333333333, 1.0]
    """
    values = np.asarray(grades, dtype=np.float64)
    if not highest > 0 or not ((values >= 0) & (values <= highest)).all():
        raise InvalidInput(
            f"The grades are not all from 0 to {highest}.", expected="grades from 0 to the highest, which is above 0"
        )
    return np.asarray((2.0**values - 1) / (2.0**highest - 1))


@lru_cache(maxsize=256)
def _falling(exponent: float, n: int) -> NDArray[np.float64]:
    powers = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    powers.setflags(write=False)
    return powers


def _length(n: int) -> int:
    if not 0 <= n <= _LONGEST:
        raise InvalidInput(f"The page has {n} places.", expected=f"0 to {_LONGEST}")
    return n


def _whole(name: str, value: int) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
        raise InvalidInput(f"{name} is {value!r}.", expected="a whole number from 0 up")
    return int(value)


def _from_zero(name: str, value: float) -> None:
    if not 0 <= value < float("inf"):
        raise InvalidInput(f"{name} is {value}.", expected="a finite number from 0 up")


def _probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidInput(f"{name} is {value}.", expected="a probability in [0, 1]")


def _clickable(relevant: float, irrelevant: float) -> None:
    _probability("relevant", relevant)
    _probability("irrelevant", irrelevant)
    if relevant < irrelevant:
        raise InvalidInput(
            f"Irrelevant items are clicked more often ({irrelevant}) than relevant ones ({relevant}).",
            expected="relevant at least as high as irrelevant",
        )
