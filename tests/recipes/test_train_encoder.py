"""`segue upgrade train`: pairs from the log or from judgements, and a model's folder that a store takes."""

import json
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from segue.cli import main
from segue.encode.export import export
from segue.encode.pretrained import load
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound, Unavailable
from segue.events import Event, EventLog
from segue.evolve.query_lesson import Lesson, learn
from segue.recipes import train_encoder as recipe
from segue.recipes.train_encoder import as_text, judged, taken, train_encoder
from segue.recipes.upgrade.cases import half_of
from segue.recipes.use_encoder import use_encoder
from segue.store import ACTIONS, Store
from tests.tiny_bert import write

WORDS = """amber birch cedar delta ember flint grove heath iris jade kelp larch moss north opal pearl river slate oak reed
stone fern frost cloud storm wind rain snow leaf root bark seed thorn vine ivy lake pond creek shore cliff""".split()
TITLES = ["A blue whale", "The baker", "Rockets to the moon", "Winter", "A dog and a train"]
EVERY = {
    f"{one} {other}{end}": item
    for end in ("", " song", " tree")
    for item in range(len(TITLES))
    for one, other in combinations(WORDS[8 * item : 8 * item + 8], 2)
}
LEFT = [query for query in EVERY if half_of(query) == "test"][:20]
"""Of what is asked, what the gate will ask."""
ASKED = dict([(query, item) for query, item in EVERY.items() if half_of(query) == "validation"][:140])
GONE = next(query for query in ("gone by", "gone", "gone for good") if half_of(query) == "validation")
LESSON = Lesson(steps=60, queries=16, rate=5e-3, kept=0.1, checks=3)
SHORT = Lesson(steps=2, queries=4, rate=5e-3, checks=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `model`, a `store` whose vectors it made and in whose log people took what `ASKED` says, and the same as
    `judged.tsv`."""
    folder = tmp_path_factory.mktemp("compatible")
    (folder / "model").mkdir()
    torch.manual_seed(1)
    write(folder / "model")
    store = Store.open(folder / "store")
    use_encoder(store, export(load(folder / "model"), folder / "encoder", name="old").folder)
    with Engine.open(store.folder) as engine:
        engine.index([{"id": f"f{item}", "title": title} for item, title in enumerate(TITLES)], domain="films")
    log = EventLog.open(store.events)
    log.append(
        *(feedback(query, f"f{item}") for query, item in ASKED.items()),
        *(feedback(query, "f0") for query in LEFT),
        feedback(GONE, "f99"),
    ).result()
    log.close()
    judged = {**ASKED, **dict.fromkeys(LEFT, 0)}
    rows = [f"{place}\t{query}\tf{item}\t1" for place, (query, item) in enumerate(judged.items())]
    (folder / "judged.tsv").write_text("query_id\tquery\tdoc_id\tgrade\n" + "\n".join(rows) + "\n")
    return folder


def feedback(
    query: str, item: str, action: str = "click", *, domain: str = "films", undoes: str | None = None
) -> Event:
    body = {"answer": "a", "domain": domain, "item": item, "action": action, "query": query, "position": 1}
    body |= {"undoes": undoes} if undoes else {}
    return Event(f"{query} {item} {action}", "feedback", 0.0, body)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["upgrade", "train", *(str(word) for word in words)])


def stored(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted((folder / "domains").rglob("rows.i8"))}


def test_a_model_learns_from_the_log(made: Path, tmp_path: Path) -> None:
    before, out = stored(made / "store"), tmp_path / "new" / "model"
    live = Store.open(made / "store").live("encoder")
    result = train_encoder(made / "store", out, model=made / "model", lesson=LESSON)
    assert result["kept"]
    assert result["after"]["ndcg"] > result["before"]["ndcg"]
    assert result["domains"]["films"] == {
        "vectors": 5,
        "queries": 140,
        "pairs": 140,
        "unknown items": 1,
        "left to the gate": 20,
    }
    assert stored(made / "store") == before
    assert Store.open(made / "store").live("encoder") == live
    assert sorted(entry.name for entry in out.parent.iterdir()) == ["model"]  # nothing unfinished is left
    trained = load(out)
    assert trained.fingerprint == result["fingerprint"] != load(made / "model").fingerprint
    told = as_text(result)
    assert "films: 140 queries with 140 items, among 5 vectors; 1 items are not there" in told
    assert str(out) in told
    again = train_encoder(made / "store", tmp_path / "again", model=made / "model", lesson=LESSON)
    assert again["fingerprint"] == result["fingerprint"]

    shutil.copytree(made / "store", tmp_path / "store")  # a store takes it
    used = use_encoder(Store.open(tmp_path / "store"), export(trained, tmp_path / "int8", name="new").folder)
    assert Store.open(tmp_path / "store").live("encoder") == used


def test_judgements_teach_the_same(made: Path, tmp_path: Path) -> None:
    file = made / "judged.tsv"
    result = train_encoder(made / "store", tmp_path / "judged", judgements=file, model=made / "model", lesson=LESSON)
    logged = train_encoder(made / "store", tmp_path / "logged", model=made / "model", lesson=LESSON)
    assert result["fingerprint"] == logged["fingerprint"]
    assert result["domains"]["films"]["unknown items"] == 0
    assert result["learned from"] == str(made / "judged.tsv")


def test_what_people_took() -> None:
    events = [
        Event("a", "answer", 0.0, {"results": []}),
        feedback("Mary  Poppins", "f1"),
        feedback("mary poppins", "f1", "play"),
        feedback("mary poppins", "f2", "save"),
        feedback("mary poppins", "f2", "undo", undoes="save"),
        feedback("mary poppins", "f3", "skip"),
        feedback("mary poppins", "b1", domain="books"),
        feedback("birds", "f9", "wink"),
    ]
    assert taken(events, ACTIONS) == {
        "films": {"Mary  Poppins": {"f1": 3.0}, "birds": {}},
        "books": {"Mary  Poppins": {"b1": 1.0}},
    }


def test_what_is_judged(tmp_path: Path) -> None:
    file = tmp_path / "judged.tsv"
    file.write_text("query_id\tquery\tdoc_id\tgrade\n1\tlove\tf1\t2\n1\tlove\tf2\t0\n2\tbirds\tf3\t0\n")
    assert judged(file) == {"love": {"f1": 2.0}, "birds": {}}


def test_what_finds_no_more_is_not_written(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def learned(*given: Any, **settings: Any) -> Any:
        first, _ = learn(*given, **settings)
        return first, first

    monkeypatch.setattr(recipe, "learn", learned)
    result = run("--store", made / "store", "--out", tmp_path / "out", "--model", made / "model", "--steps", 2)
    assert result.exit_code == 1
    assert "nothing was written" in result.output
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **settings: Any) -> None:
        Path(given[1]).mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recipe, "save", full)
    with pytest.raises(Unavailable, match="No space left"):
        train_encoder(made / "store", tmp_path / "out", model=made / "model", lesson=LESSON)
    assert not list(tmp_path.iterdir())


def test_the_command(made: Path, tmp_path: Path) -> None:
    options = ("--store", made / "store", "--model", made / "model", "--steps", 40, "--json")
    result = run(*options, "--out", tmp_path / "out", "--judgements", made / "judged.tsv", "--seed", 3)
    assert result.exit_code in (0, 1), result.output
    told = json.loads(result.stdout)
    assert told["lesson"]["steps"] == 40
    assert told["lesson"]["seed"] == 3
    assert told["kept"] == (result.exit_code == 0) == (tmp_path / "out").exists()
    (tmp_path / "taken").mkdir()
    refused = run(*options, "--out", tmp_path / "taken")
    assert refused.exit_code == 1
    assert "exists already" in refused.output


def test_bad_input(made: Path, tmp_path: Path) -> None:
    store, out, model = made / "store", tmp_path / "out", made / "model"

    def refused(error: type[Exception], said: str, **options: Any) -> None:
        with pytest.raises(error, match=said):
            train_encoder(options.pop("store", store), out, **{"model": model, "lesson": SHORT, **options})
        assert not out.exists()

    refused(NotFound, "no store", store=tmp_path / "nowhere")
    refused(NotFound, r"config\.json", model=tmp_path)
    refused(NotFound, "no domain 'songs'", domain="songs")
    refused(NotFound, "no file", judgements=tmp_path / "judged.tsv")
    refused(InvalidInput, "384 components.* 8", model=None)
    few = tmp_path / "few.tsv"
    few.write_text(f"query_id\tquery\tdoc_id\tgrade\n1\t{next(iter(ASKED))}\tf1\t2\n2\t{GONE}\tf77\t1\n")
    refused(InvalidInput, "1 queries to learn from.*100 different", judgements=few)
    Store.open(tmp_path / "empty")
    (tmp_path / "empty" / "live.json").write_text((store / "live.json").read_text())
    shutil.copytree(store / "artifacts", tmp_path / "empty" / "artifacts")
    refused(InvalidInput, "0 queries to learn from", store=tmp_path / "empty")
    refused(InvalidInput, "domains none", store=tmp_path / "empty", judgements=few)


def test_a_large_catalogue_is_sampled_and_keeps_what_is_right(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "_MOST", 2)
    monkeypatch.setattr(recipe, "_DOCUMENTS", 1)
    with Engine.open(made / "store", create=False) as engine:
        snapshot = engine.domains.get("films").snapshot
        asked = {"one": {"f4": 1.0, "f0": 2.0, "f99": 1.0}, "none": {"f98": 1.0}}
        gallery, unknown = recipe._gallery(snapshot, asked, np.random.default_rng(0), lambda step, done: None)
        number_of = snapshot.numbers_of(["f0", "f4"])
        wanted = {id: snapshot.vectors.of(np.array([number])) for id, number in number_of.items()}
    assert unknown == 2
    assert 2 <= len(gallery.vectors) <= 4
    assert len(gallery.documents) == 2  # its title, and what is embedded of it
    ((query, right),) = gallery.asked.items()
    assert query == "one"
    for (place, weight), id in zip(sorted(right.items()), ("f0", "f4"), strict=True):
        assert weight == {"f0": 2.0, "f4": 1.0}[id]
        np.testing.assert_array_equal(gallery.vectors[place], wanted[id][0])


def test_judgements_need_a_domain_where_there_are_several(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "store", tmp_path / "store")
    with Engine.open(tmp_path / "store") as engine:
        engine.index([{"id": "b1", "title": "Emma"}], domain="books")
    options: dict[str, Any] = {"store_folder": tmp_path / "store", "model": made / "model", "lesson": SHORT}
    with pytest.raises(InvalidInput, match=r"books, films.*--domain"):
        train_encoder(out=tmp_path / "out", judgements=made / "judged.tsv", **options)
    both = train_encoder(out=tmp_path / "out", **options)
    assert {name: one["queries"] for name, one in both["domains"].items()} == {"books": 0, "films": 140}


def test_the_help_teaches() -> None:
    assert "segue upgrade train --store store --out encoder-2" in run("--help").output
