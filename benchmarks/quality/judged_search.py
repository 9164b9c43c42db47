"""How good is search out of the box, before anything has been learned, on real queries that people judged?

Question: `segue evaluate search` on msrd (9,750 films, 16,279 queries, human labels) and on the mixed stream (29,746 films,
songs and books). Baselines: each strategy alone. Claim: full text ≥ .73 and title + popularity ≥ .80 nDCG@10; rank fusion
recall@10 ≥ .90 and nDCG@10 ≥ .85 on msrd. The weights of rank fusion were chosen by hand on the 2,000 queries of each
collection that `chosen_on` draws; the table is of the others.

    python -m benchmarks.quality.judged_search [--data DIR] [--queries N] [--out DIR]
"""

import argparse
import gzip
import random
from pathlib import Path
from typing import Any

from benchmarks.record import DATA, RESULTS, save
from segue.recipes.evaluate_search import as_table, evaluate_search
from segue.recipes.judgements import load

COLLECTIONS = {
    "msrd": ("msrd/movies-corpus.jsonl.gz", "msrd/movies-judgments.tsv.gz"),
    "mixed": ("mixed/catalogue.jsonl.gz", "mixed/judgements.tsv.gz"),
}


def chosen_on(queries: list[str]) -> set[str]:
    """The ids of the 2,000 queries on which the weights were chosen."""
    shuffled = sorted(queries)
    random.Random(0).shuffle(shuffled)
    return set(shuffled[:2000])


def held_out(judgements: Path, out: Path) -> Path:
    """A copy of the judgements without the queries on which the weights were chosen."""
    judged = load(judgements)
    left_out = chosen_on([query.id for query in judged])
    with gzip.open(out, "wt") as stream:
        stream.write("query_id\tquery\tdoc_id\tgrade\n")
        for query in judged:
            if query.id not in left_out:
                stream.writelines(
                    f"{query.id}\t{query.text}\t{item}\t{grade:g}\n" for item, grade in query.grades.items()
                )
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=DATA / "retrieve", help="folder that holds msrd/ and mixed/")
    options.add_argument("--queries", type=int, help="only so many queries of each collection, drawn at random")
    options.add_argument("--work", type=Path, default=Path("/tmp/segue-judged-search"), help="indexes are kept here")
    options.add_argument("--out", type=Path, default=RESULTS)
    chosen = options.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {}
    for name, (catalogue, judgements) in COLLECTIONS.items():
        result[name] = evaluate_search(
            chosen.data / catalogue,
            held_out(chosen.data / judgements, chosen.work / f"{name}.tsv.gz"),
            queries=chosen.queries,
            store=chosen.work / name,
        )
        print(f"\n{name}\n{as_table(result[name])}\n", flush=True)
    print(save("judged_search", {"collections": result}, chosen.out))


if __name__ == "__main__":
    main()
