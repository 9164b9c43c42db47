"""From probabilities of intents and taggings to hypotheses: the n best pairs by the product, and what a domain knows of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.understand.hypotheses import Hypotheses, Interpretation, Slot
from segue.understand.reader import Reader
from segue.understand.seen import MARGIN, NAMES, Seen
from segue.understand.words import Span, slots

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Readings:
    """r texts read. `domain` [r, d] and `intent` [r, all intents] are logs; `taggings` are groups of texts with equally many
    words: which they are [g], log P of the k best taggings [g, d, k], and their tags [g, d, k, words]."""

    texts: Sequence[str]
    spans: Sequence[Sequence[Span]]
    domain: Floats
    intent: Floats
    taggings: Sequence[tuple[Places, Floats, Places]]


@dataclass(slots=True)
class _Rows:
    """One domain's hypotheses as they come."""

    request: list[int]
    meanings: list[Interpretation]
    logs: list[tuple[float, float, float]]
    local: list[tuple[float, ...]]


def hypotheses(readers: Sequence[Reader], readings: Sequence[Readings], most: int) -> list[Hypotheses]:
    """One table a domain. A pair of intent and tagging is kept if it is among the domain's `most` best for the text."""
    rows = [_Rows([], [], [], []) for _ in readers]
    before = 0
    for part in readings:
        logs, tags = _in_order(part)
        first = 0
        for domain, reader in enumerate(readers):
            last = first + len(reader.intents)
            order, intents = _best(part.intent[:, first:last], logs[:, domain], most)
            _fill(
                rows[domain],
                reader,
                part,
                before,
                part.domain[:, domain],
                intents,
                order,
                logs[:, domain],
                tags,
                domain,
            )
            first = last
        before += len(part.texts)
    return [
        Hypotheses(
            reader.domain,
            np.array(found.request, dtype=np.int64),
            found.meanings,
            np.array(found.logs, dtype=np.float64).reshape(-1, 3),
            np.array(found.local, dtype=np.float64).reshape(-1, len(NAMES)),
            NAMES,
        )
        for reader, found in zip(readers, rows, strict=True)
    ]


def _in_order(part: Readings) -> tuple[Floats, list[Places]]:
    """log P of the taggings [r, d, k], and of each text its tags [d, k, words]."""
    _, domains, k = part.taggings[0][1].shape
    logs = np.empty((len(part.texts), domains, k))
    tags: list[Places] = [np.zeros(0, dtype=np.int64)] * len(part.texts)
    for which, found, tagged in part.taggings:
        logs[which] = found
        for row, text in enumerate(which.tolist()):
            tags[text] = tagged[row]
    return logs, tags


def _best(intent: Floats, tagging: Floats, most: int) -> tuple[Places, Floats]:
    """The best pairs [r, most + 1] as place of the intent × k + place of the tagging, and the intents' logs [r, intents]."""
    sums = (intent[:, :, None] + tagging[:, None, :]).reshape(len(intent), -1)
    return np.argsort(-sums, axis=1, kind="stable")[:, : most + 1], intent


def _fill(
    rows: _Rows,
    reader: Reader,
    part: Readings,
    before: int,
    domain_logs: Floats,
    intents: Floats,
    order: Places,
    taggings: Floats,
    tags: Sequence[Places],
    domain: int,
) -> None:
    k = taggings.shape[1]
    for text, (own, chosen) in enumerate(zip(domain_logs.tolist(), order.tolist(), strict=True)):
        intent_logs, tagging_logs = intents[text].tolist(), taggings[text].tolist()
        sums = [intent_logs[pair // k] + tagging_logs[pair % k] for pair in chosen]
        said: dict[int, _Said] = {}
        for place, pair in enumerate(chosen[:-1] if len(chosen) > k else chosen):
            number = pair % k
            if tagging_logs[number] == -np.inf:
                break
            if number not in said:
                found = tags[text][domain, number].tolist()
                tagged = [reader.tags[tag] for tag in found] if any(found) else []
                said[number] = _said(part.texts[text], part.spans[text], tagged, reader.seen) if tagged else _NOTHING
            next_one = sums[place + 1] if place + 1 < len(sums) else -np.inf
            intent = reader.intents[pair // k]
            rows.request.append(before + text)
            rows.meanings.append(Interpretation(intent, said[number].slots))
            rows.logs.append((own, intent_logs[pair // k], tagging_logs[number]))
            rows.local.append(
                (
                    reader.seen.log_kinds(intent, said[number].names),
                    said[number].known,
                    min(MARGIN, sums[place] - next_one),
                    float(len(said[number].slots)),
                    said[number].covered,
                )
            )


@dataclass(frozen=True, slots=True)
class _Said:
    """A tagging as slots: their `names`, the share whose value is `known`, the share of words that are `covered`."""

    slots: tuple[Slot, ...]
    names: list[str]
    known: float
    covered: float


_NOTHING = _Said((), [], 0.0, 0.0)


def _said(text: str, spans: Sequence[Span], tagged: Sequence[str], seen: Seen) -> _Said:
    found = slots(spans, tagged)
    known = sum(text[slot.start : slot.end].lower() in seen.values.get(slot.name, ()) for slot in found)
    covered = sum(tag != "O" for tag in tagged)
    return _Said(found, [slot.name for slot in found], known / len(found), covered / len(spans))
