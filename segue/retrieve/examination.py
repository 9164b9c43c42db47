"""How likely each place of a page is looked at, estimated from the system's own log: nothing is known of the people.

Clicks confound two things: what stands high is looked at more often, and what is good is moved up. The same item under the
same query at two places tells them apart. But a ranking that learns moves an item *because* it was clicked: then the last
shows at the old place hold a click too many, and ratios of click rates over all shows (intervention harvesting) tend to
a flat curve. So a show is only compared with those of the same item that came after it.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, least_squares

from segue.errors import InvalidInput
from segue.state import State, named, numbered

_LAGS = 4
"""With how many of the shows that follow a show is compared: more is less noise, but looks further from the move."""

_LATE = 4
"""A click that is told late counts as if told at once while its show is among the last so many of its item."""

_EXPONENT, _EXPONENT_SPREAD = 1.0, 0.5
"""What is believed before any click: examination falls as rank^−1, the exponent give or take a half."""

_BEND = 0.4
"""How far the curve may leave a power of the rank: standard deviation of its logarithm for each unit of log rank."""

_STEEPEST = 10.0
"""Largest exponent between two neighbouring places, up or down."""

_ROUNDS = 3
"""Times that the weights of the equations are computed from the last curve."""


class Examination:
    """A fold over answers and clicks; `curve` is what has been learned so far about the first `positions` places.

    Of every item under a query the last few shows are kept, of at most `pairs` (query, item) pairs: the one that was not
    shown for longest is forgotten, but not what it taught.

    With θ_j the examination of place j and c_t whether show t of a pair was clicked, E[c_t / θ_j(t)] is the item's
    attraction at every t, and what is decided after c_t is known does not change it for the shows to come. So for every
    place j, Σ_{t at j} Σ_{1 ≤ lag ≤ 4} (c_t − θ_j · c_{t+lag} / θ_j(t+lag)) has mean 0, however the ranking reacts to
    clicks. These are solved for θ by weighted least squares (variance as if clicks around moves were Poisson's), with a
    prior: log θ is a Brownian motion in log rank around a power of the rank, whose exponent is unknown too, 1 ± .5. A
    curve that rises is made level (isotonic regression).

    Source: Wooldridge, "Multiplicative Panel Data Models Without the Strict Exogeneity Assumption" (Econometric Theory,
    1997), for the equations; Agarwal et al., "Estimating Position Bias without Intrusive Interventions" (WSDM 2019), for
    using moves that happen anyway. Theirs compares all shows, which is right only where moves do not depend on clicks.

    Pitfalls. Few moves teach little: where a memory orders the page and examination falls steeply, thousands of answers
    are not enough, and the curve comes out too flat until there are tens of thousands. A place whose items were never
    shown elsewhere teaches nothing: there the curve goes on with the exponent learned from the others, and without any
    moves it is 1 / rank. People who do not look place by place (a cascade) have no such curve; what comes out is how much
    less an item is clicked at a place, as things stand around it. Trust in what stands first makes it steeper, and clicks
    without looking (bots) keep its end from falling.

    >>> Examination(positions=4).curve().round(3).tolist()
    [1.0, 0.5, 0.333, 0.25]
    """

    def __init__(self, positions: int = 20, pairs: int = 100_000) -> None:
        if not 1 <= positions <= 1000 or pairs < positions:
            raise InvalidInput(
                f"Examination was asked for {positions} positions and {pairs} pairs.",
                expected="1 to 1000 positions, and at least as many pairs",
            )
        self.positions = positions
        self._pairs = pairs
        self._slots: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._places = np.full((0, _LAGS + _LATE), -1, np.int16)
        self._clicked = np.zeros((0, _LAGS + _LATE), np.bool_)
        self._earlier = np.zeros((positions, positions), np.int64)
        self._later = np.zeros((positions, positions), np.int64)
        self._curve: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """How many (query, item) pairs are kept."""
        return len(self._slots)

    def learn(
        self,
        query: str,
        domain: str,
        items: Sequence[str],
        clicked: Collection[int] = (),
        positions: Sequence[int] | None = None,
    ) -> None:
        """Take in one answer: `items` in the order shown, and the positions that are known to be `clicked`.

        Positions count from 1. `positions` gives those of the items where the domain shares its page with others; without
        it they are 1, 2, … Places beyond the last one estimated are left out. Raises `InvalidInput` when an item or a
        position is there twice, a position is below 1, or something was clicked where nothing stood.
        """
        places = range(1, len(items) + 1) if positions is None else positions
        _check(items, places, clicked)
        shown = [(item, place) for item, place in zip(items, places, strict=True) if place <= self.positions]
        if not shown:
            return
        rows = np.array([self._slot((domain, query, item)) for item, _ in shown])
        now = np.array([place - 1 for _, place in shown])
        taken = np.array([place in clicked for _, place in shown])

        before = self._places[rows, :_LAGS]
        item, lag = np.nonzero(before >= 0)
        pair_of_places = before[item, lag], now[item]
        np.add.at(self._earlier, pair_of_places, self._clicked[rows, :_LAGS][item, lag])
        if len(clicked):
            np.add.at(self._later, pair_of_places, taken[item])

        self._places[rows, 1:] = self._places[rows, :-1]
        self._clicked[rows, 1:] = self._clicked[rows, :-1]
        self._places[rows, 0] = now
        self._clicked[rows, 0] = taken
        self._curve = None

    def click(self, query: str, domain: str, item: str, position: int) -> None:
        """Take in a click that was told after its answer was learned; to be called once for each result clicked.

        It counts for the last show of the item at this position that has no click yet. When there is none among the last
        four shows, or the pair was forgotten, the click is left out.
        """
        if (slot := self._slots.get((domain, query, item))) is None:
            return
        places, clicked = self._places[slot], self._clicked[slot]
        candidates = np.flatnonzero((places[:_LATE] == position - 1) & ~clicked[:_LATE])
        if not len(candidates):
            return
        at = int(candidates[0])
        clicked[at] = True
        after, before = places[max(at - _LAGS, 0) : at], places[at + 1 : at + 1 + _LAGS]
        np.add.at(self._earlier, (position - 1, after), 1)
        np.add.at(self._later, (before[before >= 0], position - 1), 1)
        self._curve = None

    def curve(self) -> NDArray[np.float64]:
        """How likely each place is looked at relative to the first, float64 [positions]: 1 at first, never rising, above 0."""
        if self._curve is None:
            self._curve = _solved(self._earlier, self._later)
        return self._curve.copy()

    def digest(self) -> str:
        """A hash of the whole state, to the last bit: equal digests mean equal learned state."""
        state = hashlib.sha256(self._earlier.tobytes() + self._later.tobytes())
        for pair, slot in self._slots.items():
            state.update(repr((pair, self._places[slot].tolist(), self._clicked[slot].tolist())).encode())
        return state.hexdigest()

    def state(self) -> State:
        """Everything that was learned, and the shows that are kept."""
        names, numbers = numbered(list(chain.from_iterable(self._slots)))
        return State(
            {"names": names},
            {
                "pairs": numbers,
                "slots": np.fromiter(self._slots.values(), np.int32, len(self._slots)),
                "places": self._places.copy(),
                "clicked": self._clicked.copy(),
                "earlier": self._earlier.copy(),
                "later": self._later.copy(),
            },
        )

    def restore(self, state: State) -> None:
        """Know what a `state` knew, and nothing else."""
        arrays = state.arrays
        pairs = iter(named(state.data["names"], arrays["pairs"]))
        self._slots = OrderedDict(zip(zip(pairs, pairs, pairs, strict=True), arrays["slots"].tolist(), strict=True))
        self._places, self._clicked = arrays["places"].copy(), arrays["clicked"].copy()
        self._earlier, self._later = arrays["earlier"].copy(), arrays["later"].copy()
        self._curve = None

    def _slot(self, pair: tuple[str, str, str]) -> int:
        """The row of a pair, which is now the one shown last; a new pair may take the row of the oldest."""
        if (slot := self._slots.get(pair)) is not None:
            self._slots.move_to_end(pair)
            return slot
        if len(self._slots) == self._pairs:
            _, slot = self._slots.popitem(last=False)
            self._places[slot], self._clicked[slot] = -1, False
        else:
            slot = len(self._slots)
            if slot == len(self._places):
                self._grow()
        self._slots[pair] = slot
        return slot

    def _grow(self) -> None:
        more = min(max(len(self._places), 1024), self._pairs - len(self._places))
        self._places = np.pad(self._places, ((0, more), (0, 0)), constant_values=-1)
        self._clicked = np.pad(self._clicked, ((0, more), (0, 0)))


def _solved(earlier: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.float64]:
    """The curve, from clicks on the earlier and on the later show of two, each int64 [place of earlier, place of later]."""
    steps = np.diff(np.log(np.arange(1, len(earlier) + 1, dtype=np.float64)))
    clicks = earlier.sum(1)
    moved_earlier, moved_later = clicks - np.diag(earlier), later - np.diag(np.diag(later))

    def examined(exponents: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.exp(-np.concatenate([[0.0], np.cumsum(exponents[1:] * steps)])))

    def missed(exponents: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
        theta = examined(exponents)
        equations = (clicks - theta * (later / theta).sum(1)) / spread
        general = (exponents[:1] - _EXPONENT) / _EXPONENT_SPREAD
        return np.concatenate([equations, general, (exponents[1:] - exponents[0]) * np.sqrt(steps) / _BEND])

    exponents = np.full(len(earlier), _EXPONENT)  # of the whole curve, then from each place to the next
    for _ in range(_ROUNDS):
        theta = examined(exponents)
        variance = 1 + _LAGS * (moved_earlier + theta**2 * (moved_later / theta**2).sum(1))
        exponents = least_squares(missed, exponents, bounds=(-_STEEPEST, _STEEPEST), args=(np.sqrt(variance),)).x
    level = isotonic_regression(np.log(examined(exponents)), increasing=False).x
    return np.asarray(np.exp(level - level[0]))


def _check(items: Sequence[str], positions: Sequence[int], clicked: Collection[int]) -> None:
    there = set(positions)
    if len(items) != len(positions) or len(set(items)) != len(items) or len(there) != len(positions):
        raise InvalidInput(
            f"{len(items)} items stand at {len(positions)} positions, or one of them is there twice.",
            expected="every item once, each at a position of its own",
        )
    if there and min(there) < 1:
        raise InvalidInput(f"An item stands at position {min(there)}.", expected="positions from 1")
    if not there.issuperset(clicked):
        raise InvalidInput(
            f"Position {min(set(clicked) - there)} was clicked, and no item stood there.",
            expected="positions of the items, from 1",
        )
