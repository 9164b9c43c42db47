"""Turns of dialogues that open an intent, with what went before: the Schema-Guided Dialogue set as requests to services."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segue.understand.hypotheses import Interpretation, Places, Slot, Utterance

KEYS = ("service", "intent", "acts")
"""Of contexts: the service and the intent (named with its service) of the turn before, and what the system did then."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by service, the dialogue that each is of, and how many were `dropped` as they open several services."""

    utterances: Sequence[Utterance]
    dialogues: Sequence[str]
    dropped: int

    def take(self, places: Sequence[int]) -> "Requests":
        """Those at `places` only."""
        return Requests([self.utterances[one] for one in places], [self.dialogues[one] for one in places], self.dropped)


def load(data: Path, part: str, *, dialogues: int = 0) -> Requests:
    """The part "train", "dev" or "test"; of so many dialogues only, drawn by chance, 0: all. The first turn has no context."""
    with gzip.open(data / f"sgd_{part}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    opened = [row for row in rows if row["frames"] == 1]
    names = ["/".join(row["id"].split("/")[:2]) for row in opened]
    found = Requests([_utterance(row) for row in opened], names, len(rows) - len(opened))
    if not dialogues:
        return found
    known = sorted(set(names))
    wanted = {known[one] for one in np.random.default_rng(0).permutation(len(known))[:dialogues].tolist()}
    return found.take([place for place, name in enumerate(names) if name in wanted])


def folds(requests: Requests, count: int) -> Places:
    """One of `count` folds for each request, int64 [n]: whole dialogues, by chance."""
    names, of = np.unique(np.array(requests.dialogues), return_inverse=True)
    fold: Places = np.random.default_rng(0).permutation(len(names))[of] % count
    return fold


def domain_of(service: str) -> str:
    """Several services may be of one domain.

    >>> domain_of("Music_2")
    'Music'
    """
    return service.rpartition("_")[0]


def _utterance(row: Mapping[str, Any]) -> Utterance:
    """Of slots that overlap, the longest is kept."""
    slots: list[Slot] = []
    for one in sorted(row["slots"], key=lambda slot: (slot["start"] - slot["end"], slot["start"])):
        if all(one["end"] <= other.start or other.end <= one["start"] for other in slots):
            slots.append(Slot(one["name"], one["start"], one["end"]))
    before = row["context"]
    context = {}
    if service := before["prev_service"]:
        values = (service, f"{service} {before['prev_intent']}", " ".join(before["prev_system_acts"]))
        context = dict(zip(KEYS, values, strict=True))
    meaning = Interpretation(row["intent"], tuple(sorted(slots, key=lambda slot: slot.start)))
    return Utterance(row["text"], row["service"], meaning, context)
