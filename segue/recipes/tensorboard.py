"""What a training shows in TensorBoard."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from segue.errors import Unavailable


@contextmanager
def writing(folder: Path) -> Iterator[Callable[[str, int, Mapping[str, float]], None]]:
    """A function of (part, update, values) that writes each value as `part/name`. Raises `Unavailable` without tensorboard."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable(
            "TensorBoard is not installed.", expected="the extra act", fix="pip install 'segue[act]'"
        ) from error
    with SummaryWriter(str(folder)) as writer:

        def write(part: str, update: int, values: Mapping[str, float]) -> None:
            for name, value in values.items():
                writer.add_scalar(f"{part}/{name}".replace(" ", "_"), value, update)

        yield write
