"""Every benchmark runs in its smallest setting, on data made here, and writes its result file."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import FULL, SMOKE

ROOT = Path(__file__).parents[2]


def _data(folder: Path) -> Path:
    """Both judged collections in miniature: 40 films; each film's title, with some number, is a query, its item the answer."""
    films = [
        {
            "id": f"f{n}",
            "title": f"The {word} of {n}",
            "overview": f"A film about {word}.",
            "genres": ["drama"],
            "votes": n,
        }
        for n, word in enumerate(("night", "river", "garden", "storm") * 10)
    ]
    for name, catalogue, judgements in (
        ("msrd", "movies-corpus.jsonl.gz", "movies-judgments.tsv.gz"),
        ("mixed", "catalogue.jsonl.gz", "judgements.tsv.gz"),
    ):
        (folder / name).mkdir(parents=True)
        with gzip.open(folder / name / catalogue, "wt") as stream:
            stream.writelines(json.dumps(film) + "\n" for film in films)
        with gzip.open(folder / name / judgements, "wt") as stream:
            stream.write("query_id\tquery\tdoc_id\tgrade\n")
            stream.writelines(f"q{n}\t{film['title']} {n}\t{film['id']}\t1\n" for n, film in enumerate(films * 60))
    return folder


@pytest.mark.parametrize(
    "module", [module for module in FULL if not module.endswith(("untuned", "readers", "understanding"))]
)  # own files
def test_runs(module: str, tmp_path: Path) -> None:
    arguments = [*SMOKE[module], "--out", str(tmp_path / "results")]
    if module.endswith(("judged_search", "selection", "policies", "drift", "ranker")):
        arguments += ["--data", str(_data(tmp_path / "data")), "--work", str(tmp_path / "work")]
    if module.endswith(("million", "rerankers")):
        arguments += ["--work", str(tmp_path / "work")]
    run = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    result = json.loads((tmp_path / "results" / f"{module.rsplit('.', 1)[1]}.json").read_text())
    assert result["commit"]
    assert result["machine"]["cores"]
