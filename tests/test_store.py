"""The store's folder: where things lie, its settings, what is live."""

from pathlib import Path

import orjson
import pytest

from segue.encode.quantised import OnnxEncoder
from segue.errors import Corrupt, InvalidInput, NotFound, Unavailable
from segue.store import ACTIONS, Store


def test_a_new_store(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "deep" / "store")
    assert store.actions == ACTIONS
    assert store.domains() == []
    assert store.live("encoder") is None
    settings = orjson.loads((store.folder / "segue.json").read_bytes())
    assert settings == {"format": 1, "actions": dict(ACTIONS), "policy": "bandit"}
    assert Store.open(str(store.folder), create=False) == store
    with pytest.raises(TypeError):
        store.actions["click"] = 2.0  # type: ignore[index]


def test_no_store_where_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no store in .*segue index FILE"):
        Store.open(tmp_path / "nothing", create=False)
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="is a file"):
        Store.open(tmp_path / "file")
    with pytest.raises(InvalidInput, match="holds other files"):
        Store.open(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match="No store can be made"):
        Store.open(tmp_path / "file" / "store")


def test_settings_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "segue.json").write_text('{"format": 1, "actions": {"watch": 4, "leave": -1}}')
    assert dict(Store.open(tmp_path).actions) == {"watch": 4.0, "leave": -1.0}
    (tmp_path / "segue.json").write_text('{"format": 1}')
    assert Store.open(tmp_path).actions == ACTIONS


@pytest.mark.parametrize(
    "settings",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "actions": []}',
        '{"format": 1, "actions": {}}',
        '{"format": 1, "actions": {"click": "1"}}',
        '{"format": 1, "actions": {"click": true}}',
        '{"format": 1, "actions": {"click": null}}',
        '{"format": 1, "actions": {"click": 1e999}}',
        '{"format": 1, "actions": {"undo": 1}}',
    ],
)
def test_settings_that_mean_nothing_are_said(tmp_path: Path, settings: str) -> None:
    (tmp_path / "segue.json").write_text(settings)
    with pytest.raises(Corrupt, match=r"segue\.json"):
        Store.open(tmp_path)


@pytest.mark.parametrize("name", ["films", "a", "0", "my-films_2", "x" * 63])
def test_names_of_domains(tmp_path: Path, name: str) -> None:
    store = Store.open(tmp_path / "store")
    folder = store.domain(name)
    assert folder.parent.parent == store.folder
    assert not folder.exists()
    folder.mkdir(parents=True)
    assert store.domains() == []
    (folder / "items.sqlite").touch()
    assert store.domains() == [name]


@pytest.mark.parametrize(
    "name", ["", "Films", "a b", "../up", "a/b", ".", "..", "-a", "_a", "x" * 64, "fü", "a\n", "a\0"]
)
def test_names_that_no_domain_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name"):
        Store.open(tmp_path / "store").domain(name)


def test_what_is_live_is_a_pointer(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    store.go_live("encoder", store.artifacts / "one")
    store.go_live("choice", store.artifacts / "two")
    store.go_live("encoder", store.artifacts / "three")
    again = Store.open(store.folder)
    assert again.live("encoder") == store.artifacts / "three"
    assert again.live("choice") == store.artifacts / "two"
    (store.folder / "live.json").write_text("{")
    with pytest.raises(Corrupt, match=r"live\.json"):
        store.live("encoder")
    (store.folder / "live.json").write_text('{"encoder": "../../outside"}')
    assert store.live("encoder") == store.artifacts / "outside"


def test_what_is_retired_can_be_restored(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    for part in ("reader-a", "reader-b"):
        store.go_live(part, store.artifacts / part.upper())
    assert store.retire("reader-a") == store.artifacts / "READER-A"
    assert store.live("reader-a") is None
    assert store.live_parts("reader-") == {"reader-b": store.artifacts / "READER-B"}
    assert Store.open(store.folder).retired_parts("reader-") == {"reader-a": store.artifacts / "READER-A"}
    with pytest.raises(NotFound, match="Nothing is reader-a"):
        store.retire("reader-a")
    assert store.restore("reader-a") == store.artifacts / "READER-A"
    assert store.live("reader-a") == store.artifacts / "READER-A"
    assert store.retired_parts("") == {}
    with pytest.raises(NotFound):
        store.restore("reader-a")
    store.retire("reader-a")
    store.go_live("reader-a", store.artifacts / "another")  # what goes live takes the place of what was retired
    assert store.retired_parts("") == {}
    assert sorted(store.live_parts("")) == ["reader-a", "reader-b"]


def test_the_encoder_is_made_once(tmp_path: Path, texts: list[str], encoder: OnnxEncoder) -> None:
    """By a process of its own, from the installed model."""
    store = Store.open(tmp_path / "store")
    folder = store.encoder()
    assert folder.parent == store.artifacts
    assert store.live("encoder") == folder
    changed = folder.stat().st_mtime_ns
    assert store.encoder() == folder
    assert folder.stat().st_mtime_ns == changed
    made = OnnxEncoder.open(folder)
    assert (made.encode(texts[:3]) == encoder.encode(texts[:3])).all()
