"""`segue migrate`, and a store that embeds with what it wrote."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from segue.cli import main
from segue.encode.pretrained import load
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.recipes.migrate import migrate, texts_of
from segue.recipes.use_encoder import use_encoder
from segue.store import Store
from tests.encode.test_lengthening import texts


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_model_is_carried_over_with_all_its_files(tiny_bert: Path, tmp_path: Path) -> None:
    (tiny_bert / "1_Pooling").mkdir()
    (tiny_bert / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    out = tmp_path / "new" / "long"
    result = run("migrate", tiny_bert, "--positions", "floater", "--out", out, "--longest", 90)
    assert result.exit_code == 0, result.output
    assert "reads 90 tokens" in result.output
    assert "largest difference 0 " in result.output
    assert "at rest" in result.output
    assert (out / "1_Pooling" / "config.json").exists()
    assert load(out).encode(["word " * 80]).shape == (1, 8)
    assert sorted(entry.name for entry in out.parent.iterdir()) == ["long"]  # nothing unfinished is left


def test_it_learns_from_texts(tiny_bert: Path, tmp_path: Path) -> None:
    table = tmp_path / "texts.jsonl"
    table.write_text("".join(json.dumps({"body": text}) + "\n" for text in texts()))
    options = ("--texts", table, "--column", "body", "--longest", 140, "--steps", 2, "--json")
    picture = ("--picture", tmp_path / "places.png")
    result = run("migrate", tiny_bert, "--positions", "floater", "--out", tmp_path / "long", *options, *picture)
    assert result.exit_code == 0, result.output
    learned = json.loads(result.stdout)["learned"]
    assert learned["lesson"]["steps"] == 2
    assert learned["after"]["passages"] > 0
    assert json.loads(result.stdout)["largest difference"] == 0
    assert (tmp_path / "places.png").read_bytes().startswith(b"\x89PNG")
    wrong = run("migrate", tiny_bert, "--positions", "floater", "--out", tmp_path / "other", "--texts", table)
    assert wrong.exit_code != 0
    assert "'text'" in wrong.output
    assert "--column" in wrong.output
    assert not (tmp_path / "other").exists()


def test_texts_come_in_files_too(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"\.txt"):
        list(texts_of(tmp_path, "text"))
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(name)
    assert list(texts_of(tmp_path, "text")) == ["a", "b"]
    assert list(texts_of(tmp_path / "b.txt", "text")) == ["b"]
    with pytest.raises(NotFound):
        list(texts_of(tmp_path / "c.csv", "text"))


def test_what_is_there_stays(tiny_bert: Path, tmp_path: Path) -> None:
    migrate(tiny_bert, tmp_path / "long")
    with pytest.raises(InvalidInput, match="exists already"):
        migrate(tiny_bert, tmp_path / "long")
    with pytest.raises(InvalidInput, match="migrated already"):
        migrate(tmp_path / "long", tmp_path / "longer")
    with pytest.raises(NotFound, match=r"config\.json"):
        migrate(tmp_path / "nothing", tmp_path / "longer")
    assert not (tmp_path / "longer").exists()


ROWS = "id,title,text\n" + "".join(
    f"{number},report {number},{'nothing of note happened here. ' * 8}{ending}\n"
    for number, ending in enumerate(("whales sang", "rockets flew", "bread rose"))
)


def vectors(store: Path) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    with Engine.open(store, create=False) as engine:
        catalogue = engine.domains.get("reports")
        return catalogue.snapshot.vectors.of(catalogue.snapshot.numbers)


def test_texts_are_embedded_whole_where_that_is_wished(tmp_path: Path, int8_folder: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "reports.csv"
    file.write_text(ROWS)
    options = ("index", file, "--domain", "reports", "--store", store, "--text", "text", "--title", "title", "--quiet")
    assert run(*options, "--encoder", int8_folder).exit_code == 0
    start = vectors(store)
    assert run(*options, "--whole").exit_code == 0
    whole = vectors(store)
    encoder = OnnxEncoder.open(int8_folder)
    text = f"report 0. {'nothing of note happened here. ' * 8}whales sang"
    assert float(whole[0] @ encoder.encode([text])[0]) > 0.999
    assert float(start[0] @ encoder.encode([text])[0]) < 0.999
    (tmp_path / "bad.csv").write_text("id,title,text\n,no id,nothing\n")
    assert run(options[0], tmp_path / "bad.csv", *options[2:], "--start").exit_code != 0
    np.testing.assert_array_equal(vectors(store), whole)  # no row was good: nothing changes
    assert run(*options).exit_code == 0  # as before
    np.testing.assert_array_equal(vectors(store), whole)
    assert run(*options, "--start").exit_code == 0
    np.testing.assert_array_equal(vectors(store), start)
    (live,) = Store.open(store).artifacts.iterdir()
    assert Store.open(store).live("encoder") == live


def test_another_encoder_embeds_all_anew(tiny_bert: Path, tmp_path: Path, int8_folder: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "reports.csv"
    file.write_text(ROWS)
    with pytest.raises(NotFound, match="no model"):
        use_encoder(Store.open(store), tmp_path / "nothing")
    options = ("index", file, "--domain", "reports", "--store", store, "--quiet")
    assert run(*options, "--encoder", int8_folder).exit_code == 0
    before = vectors(store)
    migrate(tiny_bert, tmp_path / "long")
    done = run(*options, "--encoder", tmp_path / "long", "--whole")
    assert done.exit_code == 0, done.output
    assert before.shape == (3, 384)
    assert vectors(store).shape == (3, 8)
    used = use_encoder(Store.open(store), tmp_path / "long")
    assert used == Store.open(store).live("encoder")
    assert len(list(Store.open(store).artifacts.iterdir())) == 2
    broken = run(*options, "--encoder", store)
    assert broken.exit_code != 0
    assert "config.json" in broken.output
    assert Store.open(store).live("encoder") == used
