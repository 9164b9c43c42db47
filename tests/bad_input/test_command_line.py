"""Bad commands: a line that says what is wrong, an exit status above 0, no traceback, and a store that is as it was."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from segue.cli import main
from segue.encode.encoder import Encoder

from .clear import assert_clear
from .conftest import Built, assert_nothing_lost

CASES: list[tuple[str, list[str], int, tuple[str, ...]]] = [
    ("unknown command", ["dance"], 2, ("dance", "no such command")),
    ("unknown option", ["ask", "emma", "--store", "STORE", "--louder"], 2, ("--louder", "no such option")),
    ("ask without a store", ["ask", "emma"], 2, ("--store", "missing")),
    ("ask of a store that is not there", ["ask", "emma", "--store", "FILES/nowhere"], 1, ("nowhere", "segue index")),
    ("ask of a file", ["ask", "emma", "--store", "FILES/good.csv"], 1, ("good.csv", "is a file")),
    ("ask nothing", ["ask", "", "--store", "STORE"], 1, ("text is empty", "mary poppins")),
    ("ask too much", ["ask", "x" * 100_000, "--store", "STORE"], 1, ("100,000 characters",)),
    ("ask for no result", ["ask", "emma", "--store", "STORE", "--limit", "0"], 1, ("limit is 0",)),
    ("ask for ten results in words", ["ask", "emma", "--store", "STORE", "--limit", "ten"], 2, ("ten", "integer")),
    ("ask in an unknown domain", ["ask", "emma", "--store", "STORE", "--domain", "songs"], 1,
        ("songs", "books, films")),
    ("ask with a context that is no pair", ["ask", "emma", "--store", "STORE", "--context", "tv"], 1,
        ("'tv'", "KEY=VALUE")),
    ("ask in bytes that are no text", ["ask", os.fsdecode(b"caf\xe9"), "--store", "STORE"], 1, ("surrogate",)),
    ("feedback on an unknown answer", ["feedback", "nobody", "f5", "--store", "STORE", "--action", "click"], 1,
        ("nobody",)),
    ("feedback on an unknown item", ["feedback", "first", "f99", "--store", "STORE", "--action", "click"], 1, ("f99",)),
    ("feedback with an unknown action", ["feedback", "first", "f5", "--store", "STORE", "--action", "gaze"], 1,
        ("gaze", "click")),
    ("feedback without an action", ["feedback", "first", "f5", "--store", "STORE"], 2, ("--action", "missing")),
    ("explanation of nothing", ["explain", "nobody", "--store", "STORE"], 1, ("no answer", "nobody")),
    ("index of a file that is not there", ["index", "FILES/no.csv", "--store", "STORE", "--domain", "films"], 1,
        ("no.csv",)),
    ("index of a folder", ["index", "FILES", "--store", "STORE", "--domain", "films"], 1, ("not a file", "inside it")),
    ("index of a broken file", ["index", "FILES/bad.json", "--store", "STORE", "--domain", "films"], 1,
        ("bad.json", ".jsonl")),
    ("index into a bad domain", ["index", "FILES/good.csv", "--store", "STORE", "--domain", "A B"], 1,
        ("'A B'", "films")),
    ("index without a domain", ["index", "FILES/good.csv", "--store", "STORE"], 2, ("--domain", "missing")),
    ("index with an unknown column",
        ["index", "FILES/good.csv", "--store", "STORE", "--domain", "new", "--id", "nr"], 1, ("'nr'", "'id'")),
    ("index in an unknown encoding",
        ["index", "FILES/good.csv", "--store", "STORE", "--domain", "new", "--encoding", "x"], 1,
        ("'x'", "latin-1")),
    ("index into a folder of other things", ["index", "FILES/good.csv", "--store", "FILES", "--domain", "new"],
        1, ("other files",)),
    ("serving a store that is not there", ["serve", "--store", "FILES/nowhere"], 1, ("nowhere",)),
    ("serving on port 0", ["serve", "--store", "STORE", "--port", "0"], 2, ("0", "range")),
    ("serving on port 99999", ["serve", "--store", "STORE", "--port", "99999"], 2, ("99999", "range")),
    ("retiring without a domain", ["retire", "reader", "--store", "STORE"], 2, ("--domain", "missing")),
    ("retiring of a store that is not there", ["retire", "reader", "--domain", "films", "--store", "FILES/nowhere"], 1,
        ("nowhere",)),
    ("retiring what has no reader", ["retire", "reader", "--domain", "films", "--store", "STORE"], 1,
        ("no reader of 'films' is live", "segue train reranker")),
    ("restoring what was not retired", ["restore", "reader", "--domain", "x" * 300, "--store", "STORE"], 1,
        ("is retired in this store", "none")),
    ("evaluation without judgements", ["evaluate", "search", "--catalogue", "FILES/good.csv"], 2,
        ("--judgements", "missing")),
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command-line")
    (folder / "good.csv").write_text("id,title\n1,Alien\n")
    (folder / "bad.json").write_text('{"id": 1, "title": "Alien"}\n{"id": 2, "title": "Aliens"}\n')
    return folder


@pytest.fixture(scope="module")
def shared(built: Built, int8_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all commands, with the encoder that they open."""
    store = shutil.copytree(built.folder, tmp_path_factory.mktemp("command-line") / "store")
    shutil.copytree(int8_folder, store / "artifacts" / "encoder-minilm")
    return store


@pytest.mark.parametrize(("words", "status", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_command(shared: Path, files: Path, words: list[str], status: int, said: tuple[str, ...]) -> None:
    arguments = [word.replace("STORE", str(shared)).replace("FILES", str(files)) for word in words]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit)
    assert_clear(result.stderr, *said)
    if status == 1:
        assert result.stderr.startswith("segue: ")
        assert result.stderr.count("\n") == 1


def test_commands_lost_nothing(shared: Path, built: Built, cheap: Encoder) -> None:
    assert_nothing_lost(shared, built, cheap)


def test_rejected_rows_are_shown(shared: Path, files: Path) -> None:
    (files / "mixed.csv").write_text('id,title\n1,Alien\n2,"Aliens\n3,Rope,x\n1,Again\n')
    result = CliRunner().invoke(main, ["index", str(files / "mixed.csv"), "--store", str(shared), "--domain", "mixed"])
    assert result.exit_code == 0, result.output
    assert "mixed: 1 added" in result.stdout
    assert "3 rows kept out" in result.stdout
    for line in ("line 3: ", "line 4: has 3 columns", "line 5: has the id '1' again (first on line 2)"):
        assert line in result.stderr
