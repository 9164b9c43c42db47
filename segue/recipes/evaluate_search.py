"""Score every strategy, their union, rank fusion and the live policy on a judged collection."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segue.asking import make_request
from segue.encode.encoder import Encoder
from segue.engine import Engine
from segue.errors import InvalidInput, SegueError
from segue.rank import measures
from segue.recipes.judgements import Judged, load
from segue.recipes.progress import Steps
from segue.records import Candidates
from segue.retrieve.catalogue import Snapshot
from segue.retrieve.query import Query
from segue.retrieve.select import ReciprocalRankFusion, retrieve

_DOMAIN = "evaluated"
_MEASURES = ("recall", "ndcg@10", "condensed ndcg@10", "mrr@10", "judged@10", "milliseconds")


@dataclass
class _Column:
    """Measurements of one way of searching, a value a query."""

    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _MEASURES})

    def add(self, ranked: Sequence[str], grades: Mapping[str, float], budget: int, milliseconds: float) -> None:
        found = {
            "recall": measures.recall(ranked, grades, budget),
            "ndcg@10": measures.ndcg(ranked[:budget], grades, 10),
            "condensed ndcg@10": measures.ndcg(measures.condensed(ranked, grades), grades, 10),
            "mrr@10": measures.reciprocal_rank(ranked[:budget], grades, 10),
            "judged@10": measures.judged(ranked[:budget], grades, 10),
            "milliseconds": milliseconds,
        }
        for name, value in found.items():
            self.values[name].append(value)


def evaluate_search(
    catalogue: Path,
    judgements: Path,
    *,
    budget: int = 10,
    strategies: Sequence[str] = (),
    queries: int | None = None,
    store: Path | None = None,
    seed: int = 0,
    quiet: bool = False,
    encoder: Encoder | None = None,
) -> dict[str, Any]:
    """Index `catalogue` (into `store`, to be used again, or a temporary one) and answer every judged query.

    Returns plain data: for each row of the table the mean of each measure, with the half width of its 95 % interval over
    queries. Recall is of the `budget` candidates that a row hands on. Queries without a relevant document are left out.
    """
    if not 1 <= budget <= 100:
        raise InvalidInput(f"The budget is {budget}.", expected="1 to 100 candidates")
    judged = [query for query in load(judgements) if any(grade > 0 for grade in query.grades.values())]
    if queries is not None and queries < len(judged):
        chosen = np.random.default_rng(seed).choice(len(judged), queries, replace=False)
        judged = [judged[place] for place in np.sort(chosen)]
    folder = nullcontext(str(store)) if store else tempfile.TemporaryDirectory(prefix="segue-evaluate-")
    with (
        folder as path,
        Engine.open(Path(path) / "store" if store is None else path, threads=2, encoder=encoder) as engine,
    ):
        with Steps(quiet=quiet) as progress:
            report = engine.index(catalogue, domain=_DOMAIN, progress=progress)
        names = list(strategies) or [name for name in engine.strategies if name != "memory"]
        unknown = [name for name in names if name not in engine.strategies]
        if unknown:
            raise InvalidInput(
                f"There is no strategy {unknown[0]!r}.", expected=f"some of {', '.join(engine.strategies)}"
            )
        snapshot = engine.domains.get(_DOMAIN).snapshot
        columns, skipped = _measure(engine, snapshot, judged, names, budget, quiet)
        found = snapshot.numbers_of(list({id for query in judged for id in query.grades}))
        missing = len({id for query in judged for id in query.grades}) - len(found)
    return {
        "catalogue": {
            "file": catalogue.name,
            "items": len(snapshot),
            "rejected": report.rejected,
            "roles": report.roles.describe(),
        },
        "judgements": {
            "file": judgements.name,
            "queries": len(judged) - skipped,
            "skipped": skipped,
            "documents not in the catalogue": missing,
        },
        "budget": budget,
        "seed": seed,
        "rows": {name: _summary(column) for name, column in columns.items()},
    }


def _measure(
    engine: Engine, snapshot: Snapshot, judged: Sequence[Judged], names: Sequence[str], budget: int, quiet: bool
) -> tuple[dict[str, _Column], int]:
    columns = {name: _Column() for name in (*names, "union", "rrf", "live policy")}
    skipped = 0
    with Steps(unit=" queries", total=len(judged), quiet=quiet) as progress:
        for query in judged:
            progress("answering", 1)
            try:
                request = make_request(query.text, domain=_DOMAIN, limit=budget)
            except SegueError:
                skipped += 1  # an empty query, say: nobody can answer it
                continue
            (understood,) = engine.domains.understand(request, engine.memory)
            found = _answers(engine, understood.query, snapshot, names, budget)
            ids = snapshot.ids_of(np.unique(np.concatenate([one.numbers for one, _ in found.values()])).tolist())
            for name, (candidates, milliseconds) in found.items():
                ranked = [ids[number] for number in candidates.numbers.tolist()]
                columns[name].add(ranked, query.grades, max(budget, len(ranked)), milliseconds)
    return columns, skipped


def _answers(
    engine: Engine, query: Query, snapshot: Snapshot, names: Sequence[str], budget: int
) -> dict[str, tuple[Candidates, float]]:
    """What each row of the table hands on for one query, and in how many milliseconds.

    The lists that the strategies return are used by every row; a policy's time is that of the strategies it asks and its own.
    """
    rrf = ReciprocalRankFusion()
    lists: dict[str, tuple[Candidates, float]] = {}
    for name in names:
        start = time.perf_counter()
        found = engine.strategies[name].retrieve(query, snapshot, rrf.depth)
        lists[name] = found, _since(start)
    answers = {name: (found.top(budget), spent) for name, (found, spent) in lists.items()}
    union = np.unique(np.concatenate([found.numbers for found, _ in answers.values()]))
    answers["union"] = Candidates("union", union, np.zeros(len(union), np.float32)), 0.0
    for name, policy in (("rrf", rrf), ("live policy", engine.policy)):
        start = time.perf_counter()
        chosen, brought = retrieve(
            policy, query, snapshot, names, budget, lambda one: lists[one.strategy][0].top(one.k)
        )
        kept = policy.spend(query, snapshot, brought, budget).kept
        answers[name] = kept, _since(start) + sum(lists[one.strategy][1] for one in chosen)
    return answers


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _summary(column: _Column) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for name, values in column.values.items():
        array = np.asarray(values)
        if name == "milliseconds":
            summary["p50 ms"], summary["p99 ms"] = (round(float(np.percentile(array, p)), 3) for p in (50, 99))
        else:
            summary[name] = round(float(array.mean()), 4)
            summary[f"{name} ±"] = round(float(1.96 * array.std() / np.sqrt(len(array))), 4)
    return summary


def as_table(result: Mapping[str, Any]) -> str:
    """The result for people, as a Markdown table. The union is a ceiling: its recall counts all its candidates."""
    lines = [
        f"| | recall@{result['budget']} | nDCG@10 | condensed nDCG@10 | MRR@10 | judged@10 | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        if name == "union":
            lines.append(f"| union of all | {row['recall']:.4f} | | | | | | |")
            continue
        cells = [f"{row[measure]:.4f}" for measure in _MEASURES[:-1]] + [f"{row['p50 ms']:.2f}", f"{row['p99 ms']:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
