"""What re-rankers change: semantic errors and calibration before and after, decisions that changed, and pictures of it.

What is printed compares with the re-rankers that were there before. What is kept beside a re-ranker (`kept`) compares with the
product of the readers' probabilities, so that it says the same after every training.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segue.recipes.pictures import draw_confusion, draw_reliability
from segue.understand.calibration import Reliability, calibration_floor, expected_calibration_error, reliability
from segue.understand.hypotheses import Flags, Hypotheses, Utterance
from segue.understand.interpreter import Interpreted
from segue.understand.measures import Outcomes, confusion, journeys, outcomes
from segue.understand.merging import LEAST, Merged

_LISTED = 50

_SHOWN, _KEPT = 5, 500
"""Requests that are kept of each two domains that were confused, and in all: of what is confused most often."""

BEFORE, AFTER = "product", "re-ranker"
"""The arms of what is kept."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same requests and hypotheses without re-rankers (`product`), `before` and `after`. What was fitted is measured as
    `held_out`: by re-rankers that had not seen the request."""

    utterances: Sequence[Utterance]
    product: Interpreted
    before: Interpreted
    after: Interpreted
    held_out: Interpreted


def report(comparison: Comparison) -> dict[str, Any]:
    """As plain data. Of a domain: SemER of the requests meant for it, and the calibration error of those that went to it."""
    said = comparison.utterances
    arms = {
        "before": (comparison.before, comparison.before.leading()),
        "after": (comparison.held_out, comparison.held_out.leading()),
    }
    came = {arm: outcomes(merged, _tables(found, merged), said) for arm, (found, merged) in arms.items()}
    went = {arm: _went(merged) for arm, (_, merged) in arms.items()}
    meant = np.array([one.domain for one in said], dtype=object)
    names = [table.domain for table in comparison.before.tables]
    everything = np.ones(len(said), dtype=bool)
    return {
        "requests": len(said),
        "all": _row(came, dict.fromkeys(arms, everything), everything),
        "domains": {
            name: _row(came, {arm: went[arm] == name for arm in arms}, meant == name) for name in sorted(names)
        },
        "decisions": _changes(comparison),
    }


def _tables(found: Interpreted, merged: Merged) -> list[Hypotheses]:
    """In the order of the merged domains."""
    by_name = {table.domain: table for table in found.tables}
    return [by_name[name] for name in merged.domains]


def _went(merged: Merged) -> Any:
    best = merged.best()
    return np.array([merged.domains[merged.domain[at]] if at >= 0 else "" for at in best.tolist()], dtype=object)


def _row(came: Mapping[str, Outcomes], went: Mapping[str, Flags], meant: Flags) -> dict[str, Any]:
    row: dict[str, Any] = {"requests": int(meant.sum())}
    for arm, found in came.items():
        confidence, right = found.confidence[went[arm]], found.right[went[arm]]
        row[arm] = {
            "domain accuracy": float(found.domain[meant].mean()) if meant.any() else None,
            "semantic error": float(found.errors[meant].sum() / max(1, (1 + found.slots[meant]).sum())),
            "calibration error": expected_calibration_error(confidence, right),
            "calibration floor": calibration_floor(confidence, seed=0, draws=50) if len(confidence) else 0.0,
        }
    return row


def _changes(comparison: Comparison) -> dict[str, Any]:
    """How many of the first interpretations changed, and some of them: of all domains, in whatever order a file has them."""
    old, new = comparison.before.leading(), comparison.after.leading()
    went = _went(old), _went(new)
    places = [np.where(merged.best() >= 0, np.append(merged.place, -1)[merged.best()], -1) for merged in (old, new)]
    changed = np.flatnonzero((went[0] != went[1]) | (places[0] != places[1]))
    said = comparison.utterances
    tables = {table.domain: table for table in comparison.before.tables}
    listed = [
        {
            "text": said[at].text,
            "before": _described(tables, went[0][at], int(places[0][at]), said[at].text),
            "after": _described(tables, went[1][at], int(places[1][at]), said[at].text),
            "right": said[at].domain,
        }
        for at in changed[:: max(1, -(-len(changed) // _LISTED))].tolist()
    ]
    return {
        "changed": len(changed),
        "to another domain": int((went[0] != went[1]).sum()),
        "listed": listed,
    }


def _described(tables: Mapping[str, Hypotheses], domain: str, place: int, text: str) -> str:
    if place < 0:
        return "nothing"
    meaning = tables[domain].meanings[place]
    slots = ", ".join(f"{slot.name}: {text[slot.start : slot.end]}" for slot in meaning.slots)
    return f"{domain} {meaning.intent}" + (f" ({slots})" if slots else "")


def kept(comparison: Comparison, trained: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By domain that was `trained`, what is kept beside its re-ranker, as plain data. Its own figures and `reliability`, of the
    requests that went to it; and the same in all of them: the figures of all requests, the confusion between domains, and which
    decisions changed against the re-rankers before. A request of which nothing is likely right went to "other"."""
    found = {BEFORE: comparison.product, AFTER: comparison.held_out}
    merged = {arm: one.leading() for arm, one in found.items()}
    said = comparison.utterances
    came = {arm: outcomes(merged[arm], _tables(one, merged[arm]), said) for arm, one in found.items()}
    went = {arm: _went(one) for arm, one in merged.items()}
    meant = np.array([one.domain for one in said], dtype=object)
    everything = np.ones(len(said), dtype=bool)
    shared = {
        "trained": list(trained),
        "requests": len(said),
        "all": _row(came, dict.fromkeys(found, everything), everything),
        "confusion": {arm: _confusion(found[arm], merged[arm], said) for arm in found},
        "decisions": _changes(comparison),
    }
    kept = {}
    for domain in trained:
        here = {arm: went[arm] == domain for arm in found}
        curves = {arm: reliability(one.confidence[here[arm]], one.right[here[arm]]) for arm, one in came.items()}
        own = _row(came, here, meant == domain)
        kept[domain] = {
            "own": own | {"reliability": {arm: _bins(curve) for arm, curve in curves.items()}},
            "run": shared,
        }
    return kept


def _bins(curve: Reliability) -> list[dict[str, float]]:
    """Those that something fell into, each with the confidences it is `from` and `to`."""
    count = len(curve.count)
    return [
        {
            "from": place / count,
            "to": (place + 1) / count,
            "requests": int(curve.count[place]),
            **{name: float(getattr(curve, name)[place]) for name in ("confidence", "accuracy", "low", "high")},
        }
        for place in np.flatnonzero(curve.count).tolist()
    ]


def _confusion(found: Interpreted, merged: Merged, said: Sequence[Utterance]) -> dict[str, Any]:
    names, counts = confusion(merged, said, least=LEAST)
    return {"names": list(names), "counts": counts.tolist(), "examples": _confused(found, merged, said)}


def _confused(found: Interpreted, merged: Merged, said: Sequence[Utterance]) -> list[dict[str, Any]]:
    """Some requests of each two domains that were taken for each other, with what was read: the most frequent first."""
    names, meant, went = journeys(merged, said, least=LEAST)
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    for at in np.flatnonzero(meant != went).tolist():
        cells[int(meant[at]), int(went[at])].append(at)
    tables, best, confidence = _tables(found, merged), merged.best(), merged.confidences()
    listed: list[dict[str, Any]] = []
    room = _KEPT
    for (row, column), places in sorted(cells.items(), key=lambda cell: (-len(cell[1]), cell[0])):
        some = places[: min(_SHOWN, room)]
        room -= len(some)
        if not some:
            break
        requests = [
            {
                "text": said[at].text,
                "read": _read(tables, merged, int(best[at]), said[at].text),
                "confidence": float(confidence[at]),
            }
            for at in some
        ]
        listed.append({"meant": names[row], "went": names[column], "requests": requests})
    return listed


def _read(tables: Sequence[Hypotheses], merged: Merged, at: int, text: str) -> str:
    if at < 0:
        return "nothing"
    table = tables[merged.domain[at]]
    return _described({table.domain: table}, table.domain, int(merged.place[at]), text)


def draw(comparison: Comparison, folder: Path) -> list[Path]:
    """`reliability.png` by domain, `confusion-before.png` and `confusion-after.png`. Raises `Unavailable` without matplotlib."""
    folder.mkdir(parents=True, exist_ok=True)
    said = comparison.utterances
    arms = {"before": comparison.before, "after": comparison.held_out}
    files = [folder / "reliability.png"]
    panels: dict[str, dict[str, Any]] = {}
    for arm, found in arms.items():
        merged = found.leading()
        came, went = outcomes(merged, _tables(found, merged), said), _went(merged)
        for domain in merged.domains:
            panels.setdefault(domain, {})[arm] = reliability(
                came.confidence[went == domain], came.right[went == domain]
            )
        files.append(folder / f"confusion-{arm}.png")
        draw_confusion(*confusion(merged, said, least=LEAST), files[-1])
    draw_reliability(panels, files[0])
    return files


def as_text(result: Mapping[str, Any]) -> Iterator[str]:
    """For people: a table with a row for each domain that was trained, then what changed."""
    yield "| domain | requests | SemER before | after | calibration error before (floor) | after (floor) | fitted in |"
    yield "|---|---|---|---|---|---|---|"
    rows = [(name, result["domains"][name], f"{one['seconds']:.2f} s") for name, one in result["trained"].items()]
    for name, row, took in [*rows, ("all", result["all"], "")]:
        old, new = row["before"], row["after"]
        yield (
            f"| {name} | {row['requests']:,} | {100 * old['semantic error']:.1f} | {100 * new['semantic error']:.1f} | "
            f"{old['calibration error']:.3f} ({old['calibration floor']:.3f}) | "
            f"{new['calibration error']:.3f} ({new['calibration floor']:.3f}) | {took} |"
        )
    made = result["decisions"]
    yield ""
    yield (
        f"{made['changed']:,} of {result['requests']:,} decisions changed, {made['to another domain']:,} of them to another "
        "domain:"
        if made["changed"]
        else f"None of {result['requests']:,} decisions changed."
    )
    for one in made["listed"][:10]:
        yield f'  "{one["text"]}": {one["before"]} → {one["after"]}'
    if told := result["corrections"]:
        yield f"Learned from {sum(told.values())} requests that people took up in another domain than the first."
    for name in result["passed over"]:
        yield f"The old re-ranker of {name} was trained with a store; without it, the product stands for it."
    for name, artifact in result["live"].items():
        yield f"{name}: live is {artifact}."
