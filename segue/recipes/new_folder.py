"""A folder that a recipe is asked for: there as a whole or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segue.errors import InvalidInput, Unavailable


def refuse_existing(out: Path) -> None:
    """Raises `InvalidInput` where `out` is taken."""
    if out.exists():
        raise InvalidInput(f"{out} exists already.", expected="a folder that does not exist yet", fix="choose another")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A place beside `out` that becomes it when all went well. It is not made yet, nor is its parent: a model may be copied to
    a folder in its own. Raises `Unavailable` for what the disk refuses."""
    part = out.parent / f".{out.name}.{uuid.uuid4().hex}.part"
    try:
        yield part
        part.rename(out)
    except OSError as error:
        raise Unavailable(
            f"The model was not written to {out}: {error}.", fix="free some space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
