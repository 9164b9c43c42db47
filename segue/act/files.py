"""Demonstrations on disk: one npz file of plain arrays, nothing pickled."""

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError  # noqa: N812

import numpy as np

from segue.act.demonstrations import Demonstrations, checked
from segue.act.episodes import Episodes
from segue.errors import Corrupt, InvalidInput, NotFound

_SEEN = "observations."
_BROKEN = (BadZipFile, ZlibError, LookupError, ValueError, EOFError, OSError, TypeError, AttributeError)
"""What reading a file raises that is cut off, changed or another's."""


def save(shown: Demonstrations, file: Path | str) -> None:
    """Write demonstrations to a file, compressed; what was there before is replaced when the new file is whole.

    Raises `InvalidInput` for fields of Python objects.
    """
    file, episodes = Path(file), shown.episodes
    arrays: dict[str, Any] = {_SEEN + field: values for field, values in episodes.observations.items()}
    arrays |= {"actions": episodes.actions, "starts": episodes.starts, "ended": episodes.ended, "shown": shown.shown}
    words = json.dumps(shown.instructions).encode()
    if pickled := sorted(name for name, values in arrays.items() if values.dtype.hasobject):
        raise InvalidInput(f"{', '.join(pickled)} hold Python objects.", expected="arrays of numbers")
    part = file.with_name(file.name + ".part")
    with part.open("wb") as stream:
        np.savez_compressed(stream, instructions=np.frombuffer(words, np.uint8), **arrays)
    part.replace(file)


def load(file: Path | str) -> Demonstrations:
    """Read them again. Raises `NotFound` without the file, `Corrupt` for anything but what `save` wrote."""
    try:
        with Path(file).open("rb") as stream, np.load(stream, allow_pickle=False) as found:
            arrays = dict(found)
        instructions = tuple(json.loads(arrays.pop("instructions").tobytes()))
        seen = {name.removeprefix(_SEEN): arrays.pop(name) for name in list(arrays) if name.startswith(_SEEN)}
        episodes = Episodes(seen, arrays["actions"], arrays["starts"], arrays["ended"])
        return checked(Demonstrations(episodes, arrays["shown"], instructions))
    except FileNotFoundError:
        raise NotFound(f"{file} is not there.", expected="demonstrations that were saved") from None
    except (*_BROKEN, InvalidInput) as error:
        raise Corrupt(f"{file} holds no demonstrations: {error}.", expected="a file that `save` wrote") from error
