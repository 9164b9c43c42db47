"""Position families, side by side behind `Positions.at`: where tokens stand → what that does to a transformer.

`FAMILIES` makes each by its name, for a transformer's `Shape`, at the settings of its paper.
"""

from collections.abc import Callable, Mapping

from segue.encode.positions.alibi import AlibiPositions
from segue.encode.positions.effects import Effects, Positions, Span
from segue.encode.positions.floater import FloaterPositions, GridFloaterPositions, flowing
from segue.encode.positions.learned import LearnedPositions
from segue.encode.positions.none import NoPositions
from segue.encode.positions.randomised import RandomisedPositions
from segue.encode.positions.relative import RelativePositions
from segue.encode.positions.rotary import RotaryPositions
from segue.encode.positions.sinusoidal import SinusoidalPositions
from segue.encode.shape import Shape

__all__ = [
    "FAMILIES",
    "AlibiPositions",
    "Effects",
    "FloaterPositions",
    "GridFloaterPositions",
    "LearnedPositions",
    "NoPositions",
    "Positions",
    "RandomisedPositions",
    "RelativePositions",
    "RotaryPositions",
    "SinusoidalPositions",
    "Span",
    "floater",
    "flowing",
]


def floater(
    width: int, *, spacing: float = 0.1, scale: float = 0.01, bound: float | None = None, decay: float = 0.0
) -> FloaterPositions:
    """FLOATER over sinusoids as here recommended: small initial dynamics, a node every two tokens, all solved at once.

    Give `bound` and `decay` where texts will be many times longer than any in training (see `Flow`). The paper's own solver is
    `BiasDynamics(Flow(width), Sequential(step=0.02))`, with `every=` for its schedule.
    """
    base = SinusoidalPositions(width)
    return flowing(width, base, spacing=spacing, scale=scale, bound=bound, decay=decay)


FAMILIES: Mapping[str, Callable[[Shape, int, bool], Positions]] = {
    "none": lambda shape, longest, causal: NoPositions(),
    "sinusoidal": lambda shape, longest, causal: SinusoidalPositions(shape.width),
    "learned": lambda shape, longest, causal: LearnedPositions(longest, shape.width),
    "relative": lambda shape, longest, causal: RelativePositions(shape.heads, causal=causal),
    "alibi": lambda shape, longest, causal: AlibiPositions(shape.heads),
    "rotary": lambda shape, longest, causal: RotaryPositions(shape.width, shape.heads),
    "randomised sinusoidal": lambda shape, longest, causal: RandomisedPositions(
        SinusoidalPositions(shape.width), reach=longest, horizon=longest
    ),
    "randomised learned": lambda shape, longest, causal: RandomisedPositions(
        LearnedPositions(longest, shape.width), reach=longest, horizon=longest
    ),
    "randomised relative": lambda shape, longest, causal: RandomisedPositions(
        RelativePositions(shape.heads, causal=causal, farthest=longest), reach=longest, horizon=longest
    ),
    "floater": lambda shape, longest, causal: floater(shape.width),
    "randomised floater": lambda shape, longest, causal: RandomisedPositions(
        floater(shape.width), reach=longest, horizon=longest, whole=False
    ),
}
"""Name → family for a shape, the longest text (in tokens) and whether the transformer is causal."""
