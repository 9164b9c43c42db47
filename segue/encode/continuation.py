"""A trained encoder past the end of its position table: inside, what it was to the last bit; beyond, FLOATER.

Beyond the table the rows that the model was tuned with begin anew, and a flow moves the biases of every block from where they
are at the table's last place (`FloaterPositions`, `since`), so that what the rows cannot tell apart, time can. The encoder's own
weights stay as they are.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segue import artifact
from segue.encode.dynamics.flow import Flow
from segue.encode.positions.floater import FloaterPositions, flowing
from segue.encode.positions.learned import LearnedPositions
from segue.encode.transformer import Transformer
from segue.errors import Corrupt, InvalidInput

KIND = "floater continuation"
FOLDER = "floater"
"""Where a migrated model keeps its continuation."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a table is continued: tokens `spacing` apart in time, a node of the solver every `stride` tokens; `bound` and `decay`
    are the flow's, so that no bias ever moves by more than bound / decay. `longest` is the longest text, in tokens.

    The first `repeats` rows of the table begin anew beyond it, None for all. Encoders are often tuned on texts much shorter
    than their table, and read what stands at the other rows less well: repeat those that they were tuned with.
    """

    longest: int = 2048
    spacing: float = 0.05
    stride: int = 4
    bound: float = 0.5
    decay: float = 0.5
    repeats: int | None = None

    def positions(self, table: int, width: int) -> FloaterPositions:
        """At rest: nothing moves until the flow has learned. Raises `InvalidInput` where `longest` is inside the table."""
        if self.longest <= table:
            raise InvalidInput(
                f"The longest text is {self.longest} tokens.",
                expected=f"more than the {table} of the model's position table",
                fix="pass a larger number; inside its table the model needs no other positions",
            )
        return flowing(
            width,
            LearnedPositions(table, width, repeats=self.repeats or table),
            spacing=self.spacing,
            stride=self.stride,
            scale=0,
            bound=self.bound,
            decay=self.decay,
            since=table - 1,
        )


def continued(
    transformer: Transformer, how: Continuation, flow: Mapping[str, Tensor] | None = None, *, seed: int = 0
) -> Transformer:
    """A copy of an encoder with a learned table, continued past it; `flow` are a trained flow's weights. Without any it is at
    rest, with the weights of `seed` to learn from.

    Raises `InvalidInput` for an encoder that has other positions or is continued already, `Corrupt` for weights of another flow.
    """
    if isinstance(transformer.positions, FloaterPositions):
        raise InvalidInput("The model is continued already.", fix="pass the model that it was made from")
    shape, table = transformer.shape, table_of(transformer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        positions = how.positions(table, shape.width)
    made = Transformer(shape, positions)
    state = {name.replace("positions.", "positions.base."): tensor for name, tensor in transformer.state_dict().items()}
    made.load_state_dict(state, strict=False)
    if flow is not None:
        try:
            positions.dynamics.flow.load_state_dict(flow)
        except RuntimeError as error:
            raise Corrupt(f"The flow does not fit the model: {error}.", fix="migrate the model again") from error
    return made.train(transformer.training)


def flow_of(transformer: Transformer) -> Flow:
    """What a continued encoder has beside the one that it was made from."""
    positions = transformer.positions
    if not isinstance(positions, FloaterPositions):
        raise InvalidInput(
            "The model has no flow.", expected="one that was continued", fix="pass it to `continued` first"
        )
    return positions.dynamics.flow


def table_of(transformer: Transformer) -> int:
    """How many places the learned table of an encoder has, continued or not; raises `InvalidInput` where there is none."""
    positions = transformer.positions
    base = positions.base if isinstance(positions, FloaterPositions) else positions
    if not isinstance(base, LearnedPositions):
        raise InvalidInput(
            f"The model's positions are {type(base).__name__}.",
            expected="a learned table, as in BERT",
            fix="pass a BERT-like model",
        )
    return len(base.table)


def keep(folder: Path, flow: nn.Module, how: Continuation, *, source: str, about: dict[str, Any]) -> artifact.Artifact:
    """Write a continuation to a new `folder`; `source` is the fingerprint of the encoder that it continues."""
    return artifact.write(
        folder,
        kind=KIND,
        name=FOLDER,
        tensors={name: tensor.detach().numpy() for name, tensor in flow.state_dict().items()},
        meta={"format": 1, "how": asdict(how), "source": source, **about},
    )


def kept(folder: Path) -> tuple[Continuation, dict[str, Tensor]]:
    """How the model in `folder` is continued, and the flow's weights; raises what `artifact.open` raises."""
    part = artifact.open(folder, kind=KIND)
    match dict(part.meta):
        case {"format": 1, "how": dict(how)}:
            weights = {name: torch.from_numpy(tensor) for name, tensor in part.tensors().items()}
            return replace(Continuation(), **how), weights
        case _:
            raise Corrupt(f"{folder} does not say how the model is continued.", fix="migrate the model again")
