"""What readers made of each fold while they were trained on the others: kept as arrays, and put together again.

Every request was read by readers that never saw it, so that what was made of some folds can train re-rankers for another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue.understand.hypotheses import Hypotheses, Interpretation, Places, Slot, Utterance, together


@dataclass(frozen=True, slots=True)
class Read:
    """Labelled requests, and of each domain what its reader made of them."""

    utterances: Sequence[Utterance]
    tables: Sequence[Hypotheses]


def keep(file: Path, hypotheses: Sequence[Hypotheses], places: Places) -> None:
    """Hypotheses as arrays. `places` are the requests' places in the data; slots are rows (hypothesis, start, end) with names."""
    arrays: dict[str, NDArray[Any]] = {"domains": np.array([found.domain for found in hypotheses]), "places": places}
    for number, found in enumerate(hypotheses):
        slots = [(row, slot) for row, meaning in enumerate(found.meanings) for slot in meaning.slots]
        spans = np.array([(row, one.start, one.end) for row, one in slots], dtype=np.int64)
        arrays |= {
            f"{number}.request": found.request,
            f"{number}.logs": found.logs,
            f"{number}.local": found.local,
            f"{number}.names": np.array(found.names, dtype=np.str_),
            f"{number}.intents": np.array([meaning.intent for meaning in found.meanings], dtype=np.str_),
            f"{number}.slots": spans.reshape(-1, 3),
            f"{number}.kinds": np.array([one.name for _, one in slots], dtype=np.str_),
        }
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new.npz")
    np.savez_compressed(new, allow_pickle=False, **arrays)
    new.replace(file)


def kept(file: Path) -> tuple[list[Hypotheses], Places]:
    """What `keep` kept: a table a domain, whose requests count from 0 within the fold, and their places in the data."""
    with np.load(file, allow_pickle=False) as arrays:
        tables = [_table(arrays, number, domain) for number, domain in enumerate(arrays["domains"].tolist())]
        return tables, arrays["places"]


def joined(parts: Sequence[tuple[Sequence[Hypotheses], Places]]) -> tuple[list[Hypotheses], Places]:
    """Several folds as one: tables of all their requests, which count in the order of the data, and their places in it."""
    places = np.sort(np.concatenate([own for _, own in parts]))
    now = [np.searchsorted(places, own) for _, own in parts]
    of_domains = zip(*(tables for tables, _ in parts), strict=True)
    return [together(list(zip(now, tables, strict=True))) for tables in of_domains], places


def _table(arrays: Any, number: int, domain: str) -> Hypotheses:
    intents = arrays[f"{number}.intents"].tolist()
    slots: list[list[Slot]] = [[] for _ in intents]
    kinds = arrays[f"{number}.kinds"].tolist()
    for (row, start, end), name in zip(arrays[f"{number}.slots"].tolist(), kinds, strict=True):
        slots[row].append(Slot(name, start, end))
    meanings = [Interpretation(intent, tuple(own)) for intent, own in zip(intents, slots, strict=True)]
    request, logs, local = (arrays[f"{number}.{name}"] for name in ("request", "logs", "local"))
    return Hypotheses(domain, request, meanings, logs, local, tuple(arrays[f"{number}.names"].tolist()))
