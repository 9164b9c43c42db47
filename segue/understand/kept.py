"""Hypotheses on disk: what readers made of many requests, as arrays, so that re-rankers are fitted again without reading again.

Interpretations are made when one is looked at: most never are.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from segue import artifact
from segue.errors import Corrupt
from segue.understand.hypotheses import Hypotheses, Interpretation, Places, Slot

KIND = "hypotheses"


class Meanings(Sequence[Interpretation]):
    """n interpretations as arrays: `intent` [n] is a place in `intents`; the slots of the one at n are `starts[n]` to
    `starts[n + 1]` of `spans` int64 [m, 3]: a place in `kinds`, start, end."""

    def __init__(
        self, intents: Sequence[str], intent: Places, kinds: Sequence[str], spans: Places, starts: Places
    ) -> None:
        self._intents, self._intent, self._kinds, self._spans, self._starts = intents, intent, kinds, spans, starts

    def __len__(self) -> int:
        return len(self._intent)

    @overload
    def __getitem__(self, place: int) -> Interpretation: ...
    @overload
    def __getitem__(self, place: slice) -> list[Interpretation]: ...
    def __getitem__(self, place: int | slice) -> Interpretation | list[Interpretation]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        spans = self._spans[self._starts[place] : self._starts[place + 1]].tolist()
        slots = tuple(Slot(self._kinds[kind], start, end) for kind, start, end in spans)
        return Interpretation(self._intents[self._intent[place]], slots)

    def __iter__(self) -> Iterator[Interpretation]:
        """All, in one go over the arrays."""
        spans, starts = self._spans.tolist(), self._starts.tolist()
        for place, intent in enumerate(self._intent.tolist()):
            own = spans[starts[place] : starts[place + 1]] if starts[place] < starts[place + 1] else ()
            yield Interpretation(self._intents[intent], tuple(Slot(self._kinds[kind], *span) for kind, *span in own))


def keep(folder: Path, tables: Sequence[Hypotheses], *, name: str) -> artifact.Artifact:
    """Write the tables of all domains as one part. Raises what `artifact.write` raises."""
    tensors: dict[str, NDArray[Any]] = {}
    about = []
    for number, table in enumerate(tables):
        intents = sorted({meaning.intent for meaning in table.meanings})
        kinds = sorted({slot.name for meaning in table.meanings for slot in meaning.slots})
        of_intent, of_kind = ({one: place for place, one in enumerate(names)} for names in (intents, kinds))
        spans = [(of_kind[slot.name], slot.start, slot.end) for meaning in table.meanings for slot in meaning.slots]
        tensors |= {
            f"{number}.request": table.request.astype(np.int32),
            f"{number}.logs": table.logs,
            f"{number}.local": table.local,
            f"{number}.intent": np.array([of_intent[meaning.intent] for meaning in table.meanings], dtype=np.int32),
            f"{number}.spans": np.array(spans, dtype=np.int32).reshape(-1, 3),
            f"{number}.slots": np.array([len(meaning.slots) for meaning in table.meanings], dtype=np.int32),
        }
        about.append({"domain": table.domain, "names": list(table.names), "intents": intents, "kinds": kinds})
    return artifact.write(folder, kind=KIND, name=name, tensors=tensors, meta={"tables": about})


def kept(folder: Path) -> list[Hypotheses]:
    """What `keep` wrote, to the last bit. Raises what `artifact.open` raises."""
    part = artifact.open(folder, kind=KIND)
    tensors = part.tensors()
    try:
        return [_table(tensors, number, about) for number, about in enumerate(part.meta["tables"])]
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"{folder} does not hold hypotheses: {error}.", fix="delete it; it is made again") from error


def _table(tensors: dict[str, NDArray[Any]], number: int, about: dict[str, Any]) -> Hypotheses:
    request, logs, local, intent, spans, slots = (
        tensors[f"{number}.{name}"] for name in ("request", "logs", "local", "intent", "spans", "slots")
    )
    starts = np.r_[0, np.cumsum(slots)].astype(np.int64)
    meanings = Meanings(about["intents"], intent, about["kinds"], spans, starts)
    return Hypotheses(about["domain"], request.astype(np.int64), meanings, logs, local, tuple(about["names"]))
