"""Which strategies are worth asking: the chance that one finds what the person wants and none asked before it does."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segue.records import Candidates
from segue.retrieve.linear_thompson import LinearThompson
from segue.retrieve.select import SURE
from segue.retrieve.union import Floats
from segue.state import State

COSTLY = frozenset({"dense", "sparse", "personal", "related"})
"""Strategies asked last, when the cheap ones have been seen."""

_LEAST = 0.004
"""A strategy is asked when it is thought to find alone at least this share of what people want."""

_SEEN = 4
"""Numbers told of what the cheap strategies brought."""

_DRAWS = 16


class Worth:
    """One `LinearThompson` a strategy over the request's context, and over what the cheap ones brought for a costly one.

    Every strategy starts as worth asking; it has to be seen to add nothing.
    """

    def __init__(self, strategies: Sequence[str], context: int) -> None:
        dimensions = 1 + context + _SEEN
        mean = np.zeros(dimensions)
        mean[0] = 0.1
        deviation = np.full(dimensions, 0.02)
        deviation[0] = 0.03
        self._strategies = tuple(strategies)
        self._gains = {name: LinearThompson.prior(mean, deviation, noise=0.15) for name in strategies}
        self.redraw(0)

    def redraw(self, seed: int) -> None:
        """Draw weights from what is believed now, for the requests to come."""
        random = np.random.default_rng(seed)
        self._drawn = {name: gain.draw(random, _DRAWS) for name, gain in self._gains.items()}

    def choose(
        self,
        context: Floats,
        strategies: Sequence[str],
        found: Sequence[Candidates] | None,
        random: np.random.Generator,
        *,
        explore: float,
    ) -> list[tuple[str, float]]:
        """Names to ask now and the probability that each was asked with: the cheap ones first (`found` None), then the costly.

        At first somebody is always asked: all of the cheap ones when none seems worth it (or all, when there is none that is
        cheap), for an answer of nothing teaches nothing.
        """
        now = [name for name in strategies if (name in COSTLY) == (found is not None)]
        now = now or [name for name in strategies if found is None]
        told = features(context, found)
        chances, chosen = dict[str, float](), []
        for name in now:
            worth = told @ self._drawn[name] >= _LEAST
            chances[name] = (1 - explore) * float(worth.mean()) + explore
            if worth[random.integers(_DRAWS)] or random.random() < explore:
                chosen.append(name)
        if found is not None:
            return [(name, chances[name]) for name in chosen]
        nobody = float(np.prod([1 - chance for chance in chances.values()]))
        return [(name, chances[name] + nobody) for name in chosen or now]

    def learn(self, context: Floats, seen: Floats, asked: Sequence[str], held: NDArray[np.bool_]) -> None:
        """`held` bool [taken, asked]: which of the lists that were asked held what was taken. The first of the family that
        held it is credited alone; the others were not needed."""
        order = sorted(range(len(asked)), key=lambda place: self._rank(asked[place]))
        uncovered = np.ones(len(held), dtype=bool)
        told = [np.concatenate([[1.0], context, what]) for what in (np.zeros(_SEEN), seen)]
        squares = [one[:, None] * one for one in told]
        for place in order:
            gain = np.count_nonzero(held[:, place] & uncovered) / len(held)
            uncovered &= ~held[:, place]
            costly = asked[place] in COSTLY
            self._gains[asked[place]].learn_one(told[costly], squares[costly], gain)

    def expected(self) -> dict[str, float]:
        """Each strategy's expected gain for an average request."""
        return {name: round(float(gain.mean[0]), 4) for name, gain in self._gains.items()}

    def state(self) -> State:
        """What was learned, and the weights that are drawn now."""
        parts = {
            name: State(arrays={"precision": gain.precision, "pull": gain.pull, "drawn": self._drawn[name]})
            for name, gain in self._gains.items()
        }
        return State(parts=parts)

    def restore(self, state: State) -> None:
        """Know what a `state` of the same strategies knew, and draw the same."""
        for name, part in state.parts.items():
            self._gains[name].precision, self._gains[name].pull = part.arrays["precision"], part.arrays["pull"]
        self._drawn = {name: part.arrays["drawn"] for name, part in state.parts.items()}

    def bits(self) -> bytes:
        """What was learned, to the last bit."""
        return b"".join(gain.precision.tobytes() + gain.pull.tobytes() for gain in self._gains.values())

    def _rank(self, name: str) -> tuple[bool, int]:
        return name in COSTLY, self._strategies.index(name)


def features(context: Floats, found: Sequence[Candidates] | None) -> Floats:
    return np.concatenate([[1.0], context, seen(found)])


def seen(found: Sequence[Candidates] | None) -> Floats:
    """What the cheap strategies brought, in four numbers: how many items in all, how far the first results agree, how sure the
    structured readings are, and how far the first text result leads."""
    if not found:
        return np.zeros(_SEEN)
    firsts = np.concatenate([one.numbers[:3] for one in found])
    sure = max((float(one.scores[0]) for one in found if one.strategy in SURE and len(one)), default=0.0)
    text = next((one for one in found if one.strategy == "text" and len(one) > 1 and one.scores[0] > 0), None)
    lead = 1 - float(text.scores[1] / text.scores[0]) if text else 0.0
    agreement = 1 - len(np.unique(firsts)) / len(firsts) if len(firsts) else 0.0
    return np.array([np.log1p(len(firsts)) / 4, agreement, sure, lead]).round(4)
