"""The gate's report on what is no encoder: a ranker, or readers with their re-rankers. Each stands against what is live now."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue import artifact
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.evolve.release import Case, Ranks, gate
from segue.rank.ranker import KIND as RANKER
from segue.rank.ranker import Ranker
from segue.recipes.train_reranker import usable
from segue.recipes.upgrade.cases import Asked, cases, rank_of
from segue.recipes.upgrade.report import report
from segue.resolution import resolution
from segue.store import Store
from segue.understand.hypotheses import NOBODY, Utterance
from segue.understand.interpreter import Interpreter, Resolution
from segue.understand.labelled import load
from segue.understand.reading_measures import count, first
from segue.understand.seen import NAMES as SEEN

Progress = Callable[[str, int], None]


def is_ranker(folder: Path) -> bool:
    """Whether a folder holds a ranker, such as `segue learn` keeps among a store's artifacts."""
    try:
        artifact.open(folder, kind=RANKER)
    except (NotFound, InvalidInput):
        return False
    return True


def are_readers(folder: Path) -> bool:
    """Whether a folder is one that `segue train reader` filled."""
    return folder.is_dir() and any((one / artifact.MANIFEST).exists() for one in folder.iterdir() if one.is_dir())


def judge_ranker(
    store: Path,
    folder: Path,
    *,
    judgements: Path | None = None,
    budget: float = 0.015,
    k: int = 3,
    queries: int = 1000,
    seed: int = 0,
    progress: Progress = lambda step, done: None,
) -> dict[str, Any]:
    """Whole answers of the ranker's domain, by the ranker that is live (or none) and by this one: what is right must stand
    among the first `k`. Raises what `Ranker.open` raises, `NotFound` for a domain that is not there, and `InvalidInput` for a
    ranker of other features."""
    ranker = Ranker.open(folder)
    domain = str(ranker.meta.get("domain", ""))
    with Engine.open(store, create=False, threads=2) as engine:
        engine.domains.get(domain)
        asked = [
            one
            for one in cases(engine, judgements=judgements, half=None, most=queries, without={}, seed=seed)
            if one.domain == domain
        ]
        now = _ranked(engine, asked, "now", progress)
        engine.rankers.use(domain, folder)
        then = _ranked(engine, asked, "then", progress)
    verdict = gate([one.case for one in asked], now, then, k=k, budget=budget, seed=seed)
    about = {"domain": domain, "judgements": None if judgements is None else judgements.name}
    return report(Store.open(store, create=False), folder.name, RANKER, {"answers": verdict}, **about)


def _ranked(engine: Engine, asked: list[Asked], when: str, progress: Progress) -> Ranks:
    found = []
    for one in asked:
        answer = engine.rehearse(one.case.text, domain=one.domain)
        found.append(rank_of(one.id, [result.id for result in answer.results]))
        progress(f"asking, {when}", 1)
    return np.array(found, dtype=np.int64)


def judge_readers(store: Path, model: Path, data: Path, *, budget: float = 0.015, seed: int = 0) -> dict[str, Any]:
    """Labelled requests, which neither side was trained on, read by what is live and by the readers in `model` with the
    re-rankers beside them: right is what is right in every part, domain, intent and slots. Raises `NotFound` where no reader is
    live, and what `load` and `Interpreter.open` raise."""
    utterances = [one for one in load(data).utterances if one.domain != NOBODY]
    if not utterances:
        raise InvalidInput(
            f"{data} has requests for nobody only.", expected="requests that a reader can be right about"
        )
    opened = Store.open(store, create=False)
    with Engine.open(store, create=False) as engine:
        known = resolution({name: engine.domains.get(name).snapshot for name in engine.domains.names()})
        live = engine.readers().interpreter(known)
        if live is None:
            raise NotFound(
                "No reader is live in this store.",
                expected="readers to compare with",
                fix=f"the first ones go live by themselves: segue train reranker --data FILE --model {model} --store {store}",
            )
        now = _right(live, utterances)
        then = _right(_opened(model, known), utterances)
    asked = [Case(one.text, f"{one.domain}: {_said(one)}", one.domain) for one in utterances]
    verdict = gate(asked, now.astype(np.int64), then.astype(np.int64), k=1, budget=budget, seed=seed)
    return report(opened, model.resolve().name, "readers", {"requests": verdict}, data=data.name)


def _opened(model: Path, known: Resolution) -> Interpreter:
    found = Interpreter.open(model, resolution=known)
    rerankers = usable(found.rerankers, dict.fromkeys(found.domains, SEEN), known)
    return Interpreter(found.readers, rerankers, resolution=known)


def _right(interpreter: Interpreter, utterances: list[Utterance]) -> NDArray[np.bool_]:
    found = interpreter.interpret([one.text for one in utterances], [one.context for one in utterances])
    return np.asarray(count(first(found.tables, len(utterances), found.confidences), utterances).errors == 0)


def _said(one: Utterance) -> str:
    slots = ", ".join(f"{slot.name} {one.text[slot.start : slot.end]!r}" for slot in one.meaning.slots)
    return f"{one.meaning.intent} {slots}".strip()
