"""Train the re-rankers of a folder of readers: each domain's alone, from what its reader made of requests that it had not seen.

With a store, slots are also looked up in the domains' catalogues, people's corrections are learned from, and the readers go live
there with their re-rankers, each domain under a pointer of its own.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.live_readers import publish
from segue.recipes.corrections import Correction, corrections, known_texts
from segue.recipes.read_ahead import read_ahead, reader_kinds
from segue.recipes.reranker_report import Comparison, draw, kept, report
from segue.recipes.train_reader import folder
from segue.recipes.train_reader import replace as put
from segue.resolution import resolution
from segue.understand.features import Context, extended
from segue.understand.hypotheses import Floats, Hypotheses, Interpretation, Judged, Utterance, judge, together
from segue.understand.interpreter import (
    REPORTS,
    RERANKERS,
    Interpreted,
    Resolution,
    reranker_folders,
    resolved,
    weigh,
)
from segue.understand.labelled import load
from segue.understand.measured import KIND as REPORT_KIND
from segue.understand.measured import write_report
from segue.understand.readers import ENCODER, Readers
from segue.understand.reranker import KIND, Reranker, fit

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class _From:
    """What is learned from: `utterances`, of which the first `labelled` are the file's and the others corrections, and each
    domain's table of all of them."""

    utterances: Sequence[Utterance]
    labelled: int
    tables: Mapping[str, Hypotheses]
    resolution: Resolution | None
    keys: Sequence[str]

    @property
    def contexts(self) -> list[Context]:
        return [one.context for one in self.utterances]

    def table(self, domain: str) -> Hypotheses:
        """The domain's table; of one that has a catalogue, resolved."""
        table, known = self.tables[domain], self.resolution
        texts = [one.text for one in self.utterances]
        return table if known is None or domain not in known.domains else resolved(table, texts, known)


def train_reranker(
    data: Path,
    model: Path,
    *,
    domain: str | None = None,
    store: Path | None = None,
    live: bool = True,
    contexts: Sequence[str] = (),
    match: bool = False,
    pictures: Path | None = None,
    processes: int | None = None,
    progress: Progress = lambda step, done: None,
) -> dict[str, Any]:
    """Train a re-ranker for every reader in `model`, or for that of `domain` alone; no other file is touched.

    `contexts` are keys of the requests' contexts whose frequent values get weights of their own. `match` brings the new scores
    back to where the old re-ranker's were spread. Returns plain data: what became better, and which decisions changed.
    """
    utterances = load(data).utterances
    kinds = reader_kinds(model)
    wanted = _wanted(model, utterances, kinds, domain)
    there = {name: kind for name, kind in kinds.items() if any(one.domain == name for one in utterances)}
    ahead = read_ahead(model, data, utterances, there, processes=processes or os.cpu_count() or 1, progress=progress)
    old = {one.domain: one for one in map(Reranker.open, reranker_folders(model)) if one.domain in there}
    if store is None:
        given = _From(utterances, len(utterances), {table.domain: table for table in ahead}, None, contexts)
        return _train(given, model, old, wanted, match, pictures, progress) | {"corrections": {}, "live": {}}
    with Engine.open(store, create=False) as engine:
        known = known_texts([one.text for one in utterances])
        told = corrections(engine.log.replay, engine.store.actions, known=known, size=len(utterances))
        snapshots = {name: engine.domains.get(name).snapshot for name in engine.domains.names() if name in there}
        given = _with_corrections(model, utterances, ahead, told, old, resolution(snapshots), contexts)
        result = _train(given, model, old, wanted, match, pictures, progress)
        result["corrections"] = dict(sorted(Counter(one.domain for one in told).items()))
        places = {
            name: (folder(model, name), *(folder(model / beside, name) for beside in (RERANKERS, REPORTS)))
            for name in wanted
        }
        encoder = model / ENCODER if any(kinds[name] for name in wanted) else None
        result["live"] = publish(engine.store, places, encoder=encoder) if live else {}
    return result


def _wanted(
    model: Path, utterances: Sequence[Utterance], kinds: Mapping[str, str | None], domain: str | None
) -> list[str]:
    if domain is not None and domain not in kinds:
        raise NotFound(
            f"There is no reader of {domain!r} in {model}.",
            expected=f"one of: {', '.join(sorted(kinds))}",
            fix=f"segue train reader --data FILE --out {model} --domain {domain}",
        )
    own = {one.domain for one in utterances}
    if missing := sorted({domain} - own if domain is not None else kinds.keys() - own):
        raise InvalidInput(
            f"The data hold no request for: {', '.join(missing)}.",
            expected="some for every domain that a re-ranker is trained for",
            fix="add labelled requests, or name one domain: --domain",
        )
    return sorted(kinds) if domain is None else [domain]


def _with_corrections(
    model: Path,
    utterances: Sequence[Utterance],
    ahead: Sequence[Hypotheses],
    told: Sequence[Correction],
    old: Mapping[str, Reranker],
    known: Resolution,
    keys: Sequence[str],
) -> _From:
    tables = {table.domain: table for table in ahead}
    if not told:
        return _From(utterances, len(utterances), tables, known, keys)
    texts = [one.text for one in told]
    read = [table for table in Readers.open(model).read(texts) if table.domain in tables]
    found = weigh(read, texts, [one.context for one in told], usable(old, _names(tables), known), known)
    said = [
        Utterance(one.text, one.domain, _likeliest(found, place, one.domain), one.context)
        for place, one in enumerate(told)
    ]
    first, rest = np.arange(len(utterances)), len(utterances) + np.arange(len(told))
    joined = {table.domain: together([(first, tables[table.domain]), (rest, table)]) for table in read}
    return _From([*utterances, *said], len(utterances), joined, known, keys)


def _likeliest(found: Interpreted, place: int, domain: str) -> Interpretation:
    guesses = found.guesses(place, most=1).get(domain)
    return guesses[0].meaning if guesses else Interpretation("")


def usable(
    rerankers: Mapping[str, Reranker], local: Mapping[str, Sequence[str]], known: Resolution | None
) -> dict[str, Reranker]:
    """Those that look at features which are at hand, of which `local` names those of each domain's reader: a re-ranker that was
    trained with a store needs it again."""
    more = () if known is None else known.columns
    return {
        domain: one
        for domain, one in rerankers.items()
        if one.features.local in ((), tuple(local[domain]), (*local[domain], *more))
    }


def _names(tables: Mapping[str, Hypotheses]) -> dict[str, Sequence[str]]:
    return {domain: table.names for domain, table in tables.items()}


def _train(
    given: _From,
    model: Path,
    old: Mapping[str, Reranker],
    wanted: Sequence[str],
    match: bool,
    pictures: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    there = usable(old, _names(given.tables), given.resolution)
    new, held_out, seconds = dict(there), {}, {}
    for domain in wanted:
        table = given.table(domain)
        started = time.perf_counter()
        judged = judge(table, given.utterances)
        new[domain] = _fitted(table, judged, given, there.get(domain) if match else None)
        seconds[domain] = round(time.perf_counter() - started, 3)
        held_out[domain] = _cross_fitted(table, judged, given, new[domain])
        progress("training", 1)
    comparison = _compared(given, there, new, held_out)
    hashes = {}
    for domain in wanted:
        place = folder(model / RERANKERS, domain)
        place.parent.mkdir(exist_ok=True)
        hashes[domain] = put(place, KIND, partial(_write, new[domain]))
    _keep_reports(model, comparison, wanted, given)
    if pictures is not None:
        draw(comparison, pictures)
    return {
        "model": str(model),
        "trained": {
            domain: {"hash": hashes[domain], "seconds": seconds[domain], "matched": new[domain].matching is not None}
            for domain in wanted
        },
        "passed over": sorted(old.keys() - there.keys()),
        **report(comparison),
    }


def _keep_reports(model: Path, comparison: Comparison, wanted: Sequence[str], given: _From) -> None:
    """Beside the re-rankers: what scores depend on stays the same to the last byte, whatever was measured."""
    told = Counter(one.domain for one in given.utterances[given.labelled :])
    for domain, about in kept(comparison, wanted).items():
        place = folder(model / REPORTS, domain)
        place.parent.mkdir(exist_ok=True)
        about["own"]["corrections"] = told[domain]
        put(place, REPORT_KIND, partial(_write_report, about, f"report of {domain}"))


def _write_report(about: Mapping[str, Any], name: str, place: Path, parent: str | None) -> Any:
    return write_report(place, about, name=name, parent=parent)


def _fitted(table: Hypotheses, judged: Judged, given: _From, old: Reranker | None) -> Reranker:
    features = extended(table).with_contexts(table, judged.own, given.contexts, given.keys)
    fitted = fit(table, judged, features=features, contexts=given.contexts, meta={"contexts": list(given.keys)})
    return fitted if old is None else fitted.matched(old, _as_seen(table, old), given.contexts)


def _as_seen(table: Hypotheses, reranker: Reranker) -> Hypotheses:
    """A table with the local features that a re-ranker looks at: the first so many."""
    count = len(reranker.features.local)
    return replace(table, local=table.local[:, :count], names=table.names[:count]) if count else table


def _cross_fitted(table: Hypotheses, judged: Judged, given: _From, fitted: Reranker) -> Floats:
    """Confidences [n] by re-rankers that were fitted, in the same way, on the other half of the requests; `fitted`'s own where a
    half is too little to fit."""
    half = np.random.default_rng(0).permutation(len(given.utterances))[table.request] % 2
    confidences = np.empty(len(table))
    try:
        for part in (0, 1):
            rows = np.flatnonzero(half != part)
            learned = Judged(*(getattr(judged, name)[rows] for name in ("own", "right", "errors", "slots")))
            one = fit(_rows(table, rows), learned, features=fitted.features, contexts=given.contexts)
            rows = np.flatnonzero(half == part)
            confidences[rows] = one.confidences(_rows(table, rows), given.contexts)
    except InvalidInput:
        return fitted.confidences(table, given.contexts)
    return confidences


def _rows(table: Hypotheses, rows: Any) -> Hypotheses:
    """These hypotheses only; what they mean is not looked at."""
    return replace(table, request=table.request[rows], meanings=(), logs=table.logs[rows], local=table.local[rows])


def _compared(
    given: _From, old: Mapping[str, Reranker], new: Mapping[str, Reranker], held_out: Mapping[str, Floats]
) -> Comparison:
    """Over the labelled requests alone."""
    said = given.utterances[: given.labelled]
    texts, contexts = [one.text for one in said], [one.context for one in said]
    tables = [_first(table, given.labelled) for table in given.tables.values()]
    product, before, after = (
        weigh(tables, texts, contexts, rerankers, given.resolution) for rerankers in ({}, old, new)
    )
    confidences = [
        held_out[table.domain][: len(table)] if table.domain in held_out else confidence
        for table, confidence in zip(after.tables, after.confidences, strict=True)
    ]
    return Comparison(said, product, before, after, replace(after, confidences=confidences))


def _first(table: Hypotheses, requests: int) -> Hypotheses:
    last = int(np.searchsorted(table.request, requests))
    if last == len(table):
        return table
    return replace(
        table,
        request=table.request[:last],
        meanings=table.meanings[:last],
        logs=table.logs[:last],
        local=table.local[:last],
    )


def _write(reranker: Reranker, place: Path, parent: str | None) -> Any:
    return reranker.write(place, name=f"re-ranker of {reranker.domain}", parent=parent)
