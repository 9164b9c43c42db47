"""How long does understanding take: to train, to train again, and to read a request through 18 domains?

Question: HWU64's 18 domains on one core. Seconds to train each domain's light reader and each domain's re-ranker; milliseconds
of a request alone, read by all domains, re-ranked and merged. Claim: one reader at most 30 s; one re-ranker at most 1 s, all 18
at most 5 s; a request p50 at most 10 ms. Baseline, in the same run: scikit-learn's logistic regression on tf-idf of words and
runs of characters, one model for all 64 intents, which knows no slots.

Re-rankers are fitted from what readers made of requests that they have seen: the same work as out of fold, and not to be judged.

    python -m benchmarks.speed.understanding [--data FILE] [--requests 300] [--most N] [--out DIR]
"""

import argparse
import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline

from benchmarks.record import DATA, RESULTS, save
from segue.understand.corpus import prepare
from segue.understand.features import extended
from segue.understand.hypotheses import Hypotheses, Utterance, judge
from segue.understand.interpreter import RERANKERS, Interpreter
from segue.understand.labelled import load
from segue.understand.readers import Readers
from segue.understand.reranker import Reranker, fit
from segue.understand.training import train

_WARM = 20


def measure(said: Sequence[Utterance], asked: Sequence[str]) -> dict[str, Any]:
    """Train on `said`, and read each of `asked` alone, by what was written and opened again."""
    with TemporaryDirectory() as folder:
        seconds = trained(said, Path(folder))
        gc.collect()
        interpreter = Interpreter.open(folder)
        baseline_seconds, baseline = timed(lambda: one_model(said))
        return {
            "requests": {"to train": len(said), "asked": len(asked)},
            "domains": len(interpreter.domains),
            "seconds": seconds | {"one model": round(baseline_seconds, 2)},
            "milliseconds": {
                "readers": alone(lambda text: interpreter.readers.read([text]), asked),
                "readers and re-rankers": alone(lambda text: interpreter.interpret([text]).leading(), asked),
                "one model": alone(lambda text: baseline.predict_proba([text]), asked),
            },
        }


def trained(said: Sequence[Utterance], folder: Path) -> dict[str, float]:
    """Readers and re-rankers in a folder; the seconds of the processor that each step took."""
    preparing, corpus = timed(lambda: prepare(said, None))
    readers = {domain: timed(partial(train, domain, corpus)) for domain in corpus.domains}
    for domain, (_, reader) in readers.items():
        reader.write(folder / domain)
    reading, tables = timed(
        lambda: Readers([reader for _, reader in readers.values()]).read([one.text for one in said])
    )
    fitted = {table.domain: timed(partial(_fitted, table, said)) for table in tables}
    (folder / RERANKERS).mkdir()
    for domain, (_, reranker) in fitted.items():
        reranker.write(folder / RERANKERS / domain, name=domain)
    return {
        "preparing": round(preparing, 2),
        "all readers": round(sum(took for took, _ in readers.values()), 2),
        "slowest reader": round(max(took for took, _ in readers.values()), 2),
        "reading all": round(reading, 2),
        "all re-rankers": round(sum(took for took, _ in fitted.values()), 2),
        "slowest re-ranker": round(max(took for took, _ in fitted.values()), 2),
    }


def _fitted(table: Hypotheses, said: Sequence[Utterance]) -> Reranker:
    return fit(table, judge(table, said), features=extended(table))


def one_model(said: Sequence[Utterance]) -> Any:
    """The baseline, fitted."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    features = FeatureUnion([("words", words), ("characters", characters)])
    model = Pipeline([("features", features), ("classes", LogisticRegression(C=10, max_iter=200))])
    return model.fit([one.text for one in said], [f"{one.domain} {one.meaning.intent}" for one in said])


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor, and what came of it."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def alone(work: Callable[[str], Any], texts: Sequence[str]) -> dict[str, float]:
    """Of each text by itself: on the clock and of this thread's computing."""
    for text in texts[:_WARM]:
        work(text)
    taken = []
    for text in texts:
        clock, own = time.perf_counter(), time.thread_time()
        work(text)
        taken.append((1000 * (time.perf_counter() - clock), 1000 * (time.thread_time() - own)))
    (p50, own), (p99, _) = np.quantile(taken, [0.5, 0.99], axis=0).tolist()
    return {"p50": round(p50, 2), "p99": round(p99, 2), "p50 of computing": round(own, 2)}


def as_table(result: Mapping[str, Any]) -> str:
    """For people: two Markdown tables."""
    took, lines = result["seconds"], ["| to train | seconds of one core | at most |", "|---|---|---|"]
    for name, limit in (
        ("slowest reader", "30"),
        ("all readers", ""),
        ("slowest re-ranker", "1"),
        ("all re-rankers", "5"),
        ("one model", ""),
    ):
        lines.append(f"| {name} | {took[name]:.2f} | {limit} |")
    lines += ["", "| a request alone | p50 | p99 | p50 of computing | at most |", "|---|---|---|---|---|"]
    for name in ("readers", "readers and re-rankers", "one model"):
        row = result["milliseconds"][name]
        limit = "10 ms" if name == "readers and re-rankers" else ""
        lines.append(f"| {name} | {row['p50']:.1f} ms | {row['p99']:.1f} | {row['p50 of computing']:.1f} | {limit} |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=DATA / "understand" / "hwu64.jsonl", help="requests with folds")
    options.add_argument("--requests", type=int, default=300, help="requests of fold 1 that are read alone")
    options.add_argument("--most", type=int, help="requests to train on, at most")
    options.add_argument("--out", type=Path, default=RESULTS, help="folder for the result")
    chosen = options.parse_args()
    labelled = load(chosen.data)
    first = [fold == 1 for fold in labelled.folds]
    said = [one for one, held_out in zip(labelled.utterances, first, strict=True) if not held_out]
    asked = [one.text for one, held_out in zip(labelled.utterances, first, strict=True) if held_out]
    if chosen.most is not None:
        said = said[:: max(1, len(said) // chosen.most)]
    result = measure(said, asked[: chosen.requests])
    print(as_table(result))
    print(save("understanding", result, chosen.out))


if __name__ == "__main__":
    main()
