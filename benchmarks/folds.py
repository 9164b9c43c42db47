"""What readers made of a fold, as one file: out-of-fold tables to fit re-rankers with, and tables of the held-out requests.

A file is an .npz of plain arrays; meanings, requests and names are JSON inside it, so that nothing is unpickled.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.understand.hypotheses import Hypotheses, Interpretation, Slot, Utterance


@dataclass(frozen=True, slots=True)
class Read:
    """Labelled requests, and of each domain what its reader made of them."""

    utterances: Sequence[Utterance]
    tables: Sequence[Hypotheses]


def save_fold(file: Path, parts: Mapping[str, Read]) -> None:
    """Keep each part ("train", "test") by its name; the file appears when it is whole."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, part in parts.items():
        arrays[f"{name}/utterances"] = _packed([asdict(one) for one in part.utterances])
        arrays[f"{name}/domains"] = _packed([table.domain for table in part.tables])
        for place, table in enumerate(part.tables):
            key = f"{name}/{place}"
            arrays |= {f"{key}/request": table.request, f"{key}/logs": table.logs, f"{key}/local": table.local}
            arrays[f"{key}/names"] = _packed(table.names)
            arrays[f"{key}/meanings"] = _packed([asdict(one) for one in table.meanings])
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.new.npz")
    np.savez_compressed(temporary, allow_pickle=False, **arrays)
    temporary.replace(file)


def load_fold(file: Path) -> dict[str, Read]:
    """What `save_fold` kept."""
    with np.load(file, allow_pickle=False) as arrays:
        parts = sorted({key.split("/")[0] for key in arrays.files})
        return {name: _read(arrays, name) for name in parts}


def _read(arrays: Mapping[str, NDArray[Any]], name: str) -> Read:
    utterances = [
        Utterance(one["text"], one["domain"], _meaning(one["meaning"]), one["context"])
        for one in _unpacked(arrays[f"{name}/utterances"])
    ]
    tables = []
    for place, domain in enumerate(_unpacked(arrays[f"{name}/domains"])):
        key = f"{name}/{place}"
        meanings = [_meaning(one) for one in _unpacked(arrays[f"{key}/meanings"])]
        names = tuple(_unpacked(arrays[f"{key}/names"]))
        request, logs, local = (arrays[f"{key}/{column}"] for column in ("request", "logs", "local"))
        tables.append(Hypotheses(domain, request, meanings, logs, local, names))
    return Read(utterances, tables)


def _meaning(described: Mapping[str, Any]) -> Interpretation:
    return Interpretation(described["intent"], tuple(Slot(**slot) for slot in described["slots"]))


def _packed(value: Any) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value, ensure_ascii=False).encode(), dtype=np.uint8)


def _unpacked(array: NDArray[np.uint8]) -> Any:
    return json.loads(array.tobytes())
