"""The collections that nothing was tuned on: read right from their old formats, and measured from end to end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.quality.untuned import convert, cranfield, vaswani
from segue.recipes.judgements import load

ROOT = Path(__file__).parents[2]
WORDS = ("wing", "shock", "boundary", "flutter", "nozzle", "shell", "panel", "jet", "wake", "drag", "plate", "cone")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Both collections in miniature, with their traps: numbers of queries with gaps, codes of −1, two spaces for a full stop."""
    old, npl = tmp_path / "data" / "cranfield", tmp_path / "data" / "vaswani-npl"
    old.mkdir(parents=True)
    npl.mkdir()
    (old / "cran.all.1400").write_text(
        "".join(
            f".I {n}\n.T\nthe {word}\nin flow .\n.A\nsmith,j.\n.B\nj. ae. scs. 25, 1958, 324.\n.W\nthe {word}\nin flow .\n"
            f"  a study of the {word} .\n"
            for n, word in enumerate(WORDS, 1)
        )
        + ".I 13\n.T\n.A\n.B\n.W\n"
        + ".I 14\n.T\ntwice\n.A\nlee,a.\n.B\nthere\n.W\nonce .\n.A\nlee,a.\n.W\nagain .\n"
    )
    (old / "cran.qry").write_text(
        "".join(f".I {3 * n:03}\n.W\nwhat of\nthe {word} .\n" for n, word in enumerate(WORDS, 1))
    )
    (old / "cranqrel").write_text("".join(f"{n} {n} {1 + n % 4}\n{n} 13 -1\n" for n in range(1, 13)) + "1   2    4\n")
    (npl / "doc-text.trec").write_text(
        "".join(
            f"<DOC>\n<DOCNO>{n}</DOCNO>\nthe {word} circuit  how it works\nand why\n</DOC>\n"
            for n, word in enumerate(WORDS, 1)
        )
    )
    (npl / "query-text.trec").write_text(
        "".join(
            f"<top>\n<num>{n}</num><title>\n{word.upper()} CIRCUITS\n</title>\n</top>\n"
            for n, word in enumerate(WORDS, 1)
        )
    )
    (npl / "qrels").write_text("".join(f"{n} 0 {n} 1\n" for n in range(1, 13)))
    return tmp_path / "data"


def test_cranfield_is_read_right(data: Path) -> None:
    items, judgements = cranfield(data / "cranfield")
    assert items[0] == {
        "id": "1",
        "title": "the wing in flow .",
        "author": "smith,j.",
        "source": "j. ae. scs. 25, 1958, 324.",
        "text": "the wing in flow . a study of the wing .",
    }
    assert items[12]["title"] == ""
    assert items[13]["text"].startswith("once .")  # a tag that comes twice
    assert judgements[:2] == [("1", "what of the wing .", "1", 3), ("2", "what of the shock .", "2", 2)]  # by place
    assert judgements[-1] == ("1", "what of the wing .", "2", 1)
    assert {grade for *_, grade in judgements} == {1, 2, 3, 4}  # no −1
    assert not any(document == "13" for _, _, document, _ in judgements)


def test_vaswani_is_read_right(data: Path) -> None:
    items, judgements = vaswani(data / "vaswani-npl")
    assert items[1] == {"id": "2", "title": "the shock circuit", "text": "the shock circuit how it works and why"}
    assert judgements[1] == ("2", "shock circuits", "2", 1)


def test_converted_once(data: Path, tmp_path: Path) -> None:
    catalogue, judged = convert("cranfield", data, tmp_path)
    assert [json.loads(line)["id"] for line in catalogue.read_text().splitlines()] == [str(n) for n in range(1, 15)]
    assert [one.text for one in load(judged)] == [f"what of the {word} ." for word in WORDS]
    catalogue.write_text("")
    assert convert("cranfield", data, tmp_path) == (catalogue, judged)
    assert catalogue.read_text() == ""


def test_runs(data: Path, tmp_path: Path) -> None:
    """Once in full, and once more from the runs that are kept."""
    options = {"--data": data, "--work": tmp_path / "work", "--out": tmp_path / "results"}
    words = [str(word) for pair in options.items() for word in pair]
    words += ["--seeds", "1", "--interactions", "20", "--processes", "1", "--collections", "cranfield"]
    kept = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.quality.untuned", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-3000:]
        kept.append(json.loads((tmp_path / "results" / "untuned.json").read_text())["runs"])
    assert "1 of" not in run.stdout
    assert kept[0] == kept[1]
    assert set(kept[0]) == {"cranfield, position clicks, low noise", "cranfield, cascade clicks, high noise"}
    for found in kept[0].values():
        assert found["unseen queries"] == 4
        for measured in found["measures"].values():
            assert list(measured["checkpoints"]) == ["0", "20"]
    assert (tmp_path / "results" / "untuned.png").stat().st_size > 1000
