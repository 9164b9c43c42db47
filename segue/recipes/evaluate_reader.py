"""Measure the readers of a folder, and their re-rankers, on labelled requests, and how long one takes."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from segue.engine import Engine
from segue.errors import InvalidInput
from segue.recipes.train_reranker import usable
from segue.resolution import resolution
from segue.understand.features import Context
from segue.understand.hypotheses import NOBODY, Utterance
from segue.understand.interpreter import Interpreter, reranker_folders
from segue.understand.labelled import load
from segue.understand.readers import Readers
from segue.understand.reading_measures import count, first, measured
from segue.understand.reranker import Reranker
from segue.understand.seen import NAMES as SEEN

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


def evaluate_reader(model: Path, data: Path, *, store: Path | None = None, seed: int = 0) -> dict[str, Any]:
    """Every measure of what the readers in `model` answer first to the requests of `data`; `seed` is for the floor of the ECE.

    "measures" are of the product of a reader's probabilities; where `model` has re-rankers, "re-ranked" are of theirs. Those that
    look into catalogues need the `store`; without it they are passed over, and the product stands for them.

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
    opened = {one.domain: one for one in map(Reranker.open, reranker_folders(model)) if one.domain in readers.domains}
    with ExitStack() as stack:
        known = None
        if store is not None:
            engine = stack.enter_context(Engine.open(store, create=False))
            known = resolution({name: engine.domains.get(name).snapshot for name in engine.domains.names()})
        rerankers = usable(opened, dict.fromkeys(readers.domains, SEEN), known)
        interpreter = Interpreter(readers, rerankers, resolution=known)
        texts, contexts = [one.text for one in utterances], [one.context for one in utterances]
        found = interpreter.interpret(texts, contexts)
        product, reranked = first(found.tables, len(texts)), first(found.tables, len(texts), found.confidences)
        return {
            "model": str(model),
            "data": str(data),
            "requests": len(texts),
            "nobody": len(labelled) - len(texts),
            "domains": len(readers.domains),
            "measures": measured(count(product, utterances), seed=seed),
            "re-ranked": measured(count(reranked, utterances), seed=seed) if rerankers else None,
            "passed over": sorted(opened.keys() - rerankers.keys()),
            "unknown": _unknown(readers, utterances),
            "milliseconds": _latency(interpreter, texts, contexts),
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


def _latency(interpreter: Interpreter, texts: Sequence[str], contexts: Sequence[Context]) -> dict[str, float]:
    interpreter.interpret(texts[:_WARM], contexts[:_WARM])
    taken = []
    for text, context in zip(texts[:_TIMED], contexts, strict=False):
        started = time.perf_counter()
        interpreter.interpret([text], [context]).leading()
        taken.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.quantile(taken, [0.5, 0.99]).tolist()
    return {"p50": round(p50, 2), "p99": round(p99, 2)}


def as_table(result: Mapping[str, Any]) -> str:
    """For people: the measures as a Markdown table."""
    arms = {"readers": result["measures"], "re-ranked": result["re-ranked"]}
    there = {name: found for name, found in arms.items() if found}
    lines = [f"| measure | {' | '.join(there)} | |", f"|---|{'---|' * len(there)}---|"]
    for name, about in _ABOUT.items():
        shown = [_shown(name, found[name]) for found in there.values()]
        lines.append(f"| {name} | {' | '.join(shown)} | {about} |")
    took = result["milliseconds"]
    lines += [
        "",
        f"{result['requests']:,} requests of {result['data']}. One takes {took['p50']:.1f} ms (p50; p99 {took['p99']:.1f}), "
        f"through {result['domains']} domains.",
    ]
    return "\n".join(lines)


def _shown(name: str, value: float) -> str:
    return f"{value:.4f}" if name in ("ECE", "ECE floor", "Brier") else f"{100 * value:.1f} %"


def warnings(result: Mapping[str, Any]) -> list[str]:
    """What the readers cannot know, a line a kind."""
    lines = [
        f"{len(names)} {kind} of the data were not in the training data and count as errors: {', '.join(names[:20])}"
        f"{', …' if len(names) > 20 else ''}."
        for kind, names in result["unknown"].items()
        if names
    ]
    if passed := result["passed over"]:
        lines.append(f"The re-rankers of {', '.join(passed)} look into catalogues: pass --store to measure them too.")
    return lines
