"""A trajectory between the nodes of its grid."""

from collections.abc import Callable

import torch
from torch import Tensor


def at_times(times: Tensor, nodes: Tensor, slopes: Callable[[], Tensor], step: float) -> Tensor:
    """Nodes [g + 1, r, d] at 0, step, 2 step, … with their slopes → values at `times` [n], [n, r, d]. `slopes` are
    asked for only where a time falls between nodes.

    Exact at the nodes; between them the cubic of Hermite, whose error is of the fourth order in `step`.
    """
    place = times / step
    near = place.round()
    if bool(((place - near).abs() < 1e-6 * (1 + near)).all()):
        return nodes[near.long()]
    before = place.floor().long().clamp(max=len(nodes) - 2)
    # The weights are worked out in the times' own precision and only then made the nodes' type.
    part = place - before
    square, cube = part * part, part * part * part
    weights = torch.stack([2 * cube - 3 * square + 1, 3 * square - 2 * cube, cube - 2 * square + part, cube - square])
    first, last, out, into = weights.to(nodes)[:, :, None, None]
    steep = slopes()
    found: Tensor = (
        first * nodes[before] + last * nodes[before + 1] + step * (out * steep[before] + into * steep[before + 1])
    )
    return found


def steps_to(time: float, step: float) -> int:
    """How many steps from 0 reach `time`, at least one.

    >>> steps_to(1.0, 0.1), steps_to(0.0, 0.1), steps_to(0.25, 0.1)
    (10, 1, 3)
    """
    return max(1, -int(-(time / step - 1e-6) // 1))
