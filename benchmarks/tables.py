"""Put the result files' figures into the documents: `python -m benchmarks.tables` rewrites what stands between the marks.

A mark is `<!-- table: NAME -->` … `<!-- end -->`; NAME is a function below. A test checks that the documents are up to date.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.quality import (
    algorithms,
    compatible,
    congruent,
    contexts,
    drift,
    instructions,
    linear_finetuning,
    long_documents,
    missions,
    off_policy,
    policies,
    ranker,
    readers,
    rejection,
    rerankers,
    selection,
    slim,
    translation,
    untuned,
    upgrades,
)
from benchmarks.record import RESULTS
from benchmarks.speed import events, million, opening, positions, understanding
from segue.recipes.evaluate_search import as_table

DOCUMENTS = Path(__file__).parents[1] / "docs"
_MARK = re.compile(r"(<!-- table: (?P<name>[\w.]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def load(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return result


def judged_search(collection: str) -> str:
    result = load("judged_search")
    found = result["collections"][collection]
    about = (
        f"{found['judgements']['queries']:,} queries over {found['catalogue']['items']:,} items; 95 % intervals of "
        f"nDCG@10 within ±{max(row['ndcg@10 ±'] for row in found['rows'].values()):.3f}."
    )
    return f"{as_table(found)}\n\n{about} {_source('judged_search', result)}"


def speed(name: str, as_markdown: Callable[[dict[str, Any]], str]) -> str:
    result = load(name)
    return f"{as_markdown(result)}\n\n{_source(name, result)}"


TABLES: dict[str, Callable[[], str]] = {
    "judged_search.msrd": lambda: judged_search("msrd"),
    "judged_search.mixed": lambda: judged_search("mixed"),
    "million": lambda: speed("million", million.as_table),
    "events": lambda: speed("events", events.as_table),
    "opening": lambda: speed("opening", opening.as_table),
    "understanding": lambda: speed("understanding", understanding.as_table),
    "off_policy": lambda: speed("off_policy", off_policy.as_table),
    "selection": lambda: speed("selection", selection.as_table),
    "policies": lambda: speed("policies", policies.as_table),
    "drift": lambda: speed("drift", drift.as_table),
    "ranker": lambda: speed("ranker", ranker.as_table),
    "readers": lambda: speed("readers", readers.as_table),
    "rerankers": lambda: speed("rerankers", rerankers.as_table),
    "contexts": lambda: speed("contexts", contexts.as_table),
    "rejection": lambda: speed("rejection", rejection.as_table),
    "positions": lambda: speed("positions", positions.as_table),
    "long_documents": lambda: speed("long_documents", long_documents.as_table),
    "algorithms": lambda: speed("algorithms", algorithms.as_table),
    "untuned": lambda: speed("untuned", untuned.as_table),
    "linear_finetuning": lambda: speed("linear_finetuning", linear_finetuning.as_table),
    "translation": lambda: speed("translation", translation.as_table),
    "upgrades": lambda: speed("upgrades", upgrades.as_table),
    "slim": lambda: speed("slim", slim.as_table),
    "congruent": lambda: speed("congruent", congruent.as_table),
    "compatible": lambda: speed("compatible", compatible.as_table),
    "instructions": lambda: speed("instructions", instructions.as_table),
    "instructions_all_houses": lambda: speed("instructions_all_houses", instructions.as_table),
    "missions": lambda: speed("missions", missions.as_table),
}


def filled(text: str) -> str:
    """The document with every marked table made anew."""
    return _MARK.sub(lambda mark: f"{mark[1]}{TABLES[mark['name']]()}\n{mark[3]}", text)


def main() -> None:
    for document in sorted(DOCUMENTS.rglob("*.md")):
        text = document.read_text()
        if (new := filled(text)) != text:
            document.write_text(new)
            print(f"{document.name} brought up to date")


def _source(name: str, result: dict[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"`benchmarks/results/{name}.json`, commit {result['commit'][:12]}, {result['date']}, {machine['cores']} cores of "
        f"{machine['processor']}."
    )


if __name__ == "__main__":
    main()
