"""Measure the readers of a folder on labelled requests, and how long one takes."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segue.errors import InvalidInput
from segue.understand.hypotheses import NOBODY, Utterance
from segue.understand.labelled import load
from segue.understand.readers import Readers
from segue.understand.reading_measures import count, first, measured

_TIMED, _WARM = 300, 5
_ABOUT = {
    "domain accuracy": "the first interpretation is of the right domain",
    "intent F1": "micro-averaged over pairs of domain and intent, one a request",
    "entity F1": "micro-averaged over slots: name and span are right",
    "entity F1, overlapping": "the same, but spans need only overlap",
    "SemER": "(wrong intent + slots substituted, inserted, left out) / (1 + reference slots), summed before dividing",
    "interpretation error rate": "anything is wrong",
    "ECE": "distance of confidence from accuracy, 10 bins",
    "ECE floor": "what a perfectly calibrated reader would show by chance",
    "Brier": "mean squared distance of confidence from right (1) or wrong (0)",
}


def evaluate_reader(model: Path, data: Path, *, seed: int = 0) -> dict[str, Any]:
    """Every measure of what the readers in `model` answer first to the requests of `data`; `seed` is for the floor of the ECE.

    A label that no reader knows cannot be answered and counts as an error; "unknown" lists them. Requests for nobody have no
    right answer and are left out; "nobody" says how many.
    """
    labelled = load(data).utterances
    utterances = [one for one in labelled if one.domain != NOBODY]
    if not utterances:
        raise InvalidInput(
            f"{data} has requests for nobody only.", expected="requests that a reader can be right about"
        )
    readers = Readers.open(model)
    texts = [one.text for one in utterances]
    read = first(readers.read(texts), len(texts))
    return {
        "model": str(model),
        "data": str(data),
        "requests": len(texts),
        "nobody": len(labelled) - len(texts),
        "domains": len(readers.domains),
        "measures": measured(count(read, utterances), seed=seed),
        "unknown": _unknown(readers, utterances),
        "milliseconds": _latency(readers, texts),
    }


def _unknown(readers: Readers, utterances: Sequence[Utterance]) -> dict[str, list[str]]:
    """Domains, intents and slots of the data that the readers never saw in training."""
    intents = {(one.domain, intent) for one in readers.readers for intent in one.intents}
    slots = {(one.domain, tag[2:]) for one in readers.readers for tag in one.tags}
    domains = sorted({one.domain for one in utterances} - set(readers.domains))
    known = [one for one in utterances if one.domain not in domains]
    return {
        "domains": domains,
        "intents": sorted(
            {f"{one.domain}: {one.meaning.intent}" for one in known if (one.domain, one.meaning.intent) not in intents}
        ),
        "slots": sorted(
            {
                f"{one.domain}: {slot.name}"
                for one in known
                for slot in one.meaning.slots
                if (one.domain, slot.name) not in slots
            }
        ),
    }


def _latency(readers: Readers, texts: Sequence[str]) -> dict[str, float]:
    readers.read(texts[:_WARM])
    taken = []
    for text in texts[:_TIMED]:
        started = time.perf_counter()
        readers.read([text])
        taken.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.quantile(taken, [0.5, 0.99]).tolist()
    return {"p50": round(p50, 2), "p99": round(p99, 2)}


def as_table(result: Mapping[str, Any]) -> str:
    """For people: the measures as a Markdown table."""
    lines = ["| measure | value | |", "|---|---|---|"]
    for name, about in _ABOUT.items():
        value = result["measures"][name]
        shown = f"{value:.4f}" if name in ("ECE", "ECE floor", "Brier") else f"{100 * value:.1f} %"
        lines.append(f"| {name} | {shown} | {about} |")
    took = result["milliseconds"]
    lines.append(
        f"| a request | {took['p50']:.1f} ms | p50; p99 {took['p99']:.1f} ms; through {result['domains']} domains |"
    )
    lines += ["", f"{result['requests']:,} requests of {result['data']}."]
    return "\n".join(lines)


def warnings(result: Mapping[str, Any]) -> list[str]:
    """What the readers cannot know, a line a kind."""
    return [
        f"{len(names)} {kind} of the data were not in the training data and count as errors: {', '.join(names[:20])}"
        f"{', …' if len(names) > 20 else ''}."
        for kind, names in result["unknown"].items()
        if names
    ]
