"""Damaged, foreign and locked stores: a clear error, or the store heals itself; what was in it is there afterwards."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from filelock import FileLock, Timeout

from segue.encode.encoder import Encoder
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import Corrupt, InvalidInput, NotFound, SegueError, Unavailable
from segue.store import Store

from .clear import refused
from .conftest import Built, Cheap, assert_nothing_lost

Damage = Callable[[Path], object]


def holds(file: str, content: bytes) -> Damage:
    return lambda store: (store / file).write_bytes(content)


def cut(file: str, share: float = 0.5) -> Damage:
    return lambda store: os.truncate(store / file, int((store / file).stat().st_size * share))


def overwritten(file: str, start: int, count: int) -> Damage:
    def damage(store: Path) -> None:
        with (store / file).open("r+b") as stream:
            stream.seek(start)
            stream.write(b"\xa5" * count)

    return damage


def gone(pattern: str) -> Damage:
    def damage(store: Path) -> None:
        for path in list(store.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def emptied(pattern: str) -> Damage:
    def damage(store: Path) -> None:
        for file in store.glob(pattern):
            os.truncate(file, 0)

    return damage


def a_folder(file: str) -> Damage:
    def damage(store: Path) -> None:
        (store / file).unlink(missing_ok=True)
        (store / file).mkdir()

    return damage


def settings(**changes: Any) -> Damage:
    return holds("segue.json", orjson.dumps({"format": 1, "actions": {"click": 1.0}} | changes))


def choice(file: str, content: bytes) -> Damage:
    return lambda store: next((store / "artifacts").glob("choice-*/" + file)).write_bytes(content)


REFUSED: list[tuple[str, Damage, type[SegueError], tuple[str, ...]]] = [
    ("settings that are no JSON", holds("segue.json", b"{format: 1}"), Corrupt,
        ("segue.json", "not JSON", '"format": 1')),
    ("settings of no bytes", holds("segue.json", b""), Corrupt, ("segue.json", "not JSON")),
    ("settings in UTF-16", holds("segue.json", '{"format": 1}'.encode("utf-16")), Corrupt, ("segue.json", "not JSON")),
    ("settings that are a list", holds("segue.json", b"[1]"), Corrupt, ("segue.json", "format 1")),
    ("settings of an unknown format", settings(format=2), Corrupt, ("segue.json", "format 1")),
    ("settings without a format", holds("segue.json", b"{}"), Corrupt, ("segue.json", "format 1")),
    ("settings that are a folder", a_folder("segue.json"), Unavailable, ("segue.json", "cannot be read")),
    ("actions that are a list", settings(actions=["click"]), Corrupt, ("actions", "segue.json", "click")),
    ("no action", settings(actions={}), Corrupt, ("actions", "segue.json")),
    ("action with a weight in words", settings(actions={"click": "high"}), Corrupt, ("'click'", "'high'", "finite")),
    ("action with the weight true", settings(actions={"click": True}), Corrupt, ("'click'", "True", "finite")),
    ("action with the weight null", settings(actions={"click": None}), Corrupt, ("'click'", "None", "finite")),
    ("action with the weight NaN", holds("segue.json", b'{"format": 1, "actions": {"click": NaN}}'), Corrupt,
        ("not JSON",)),
    ("action with an infinite weight", holds("segue.json", b'{"format": 1, "actions": {"a": 1e999}}'), Corrupt,
        ("segue.json",)),
    ("action named undo", settings(actions={"undo": 1.0}), Corrupt, ("'undo'", "built in")),
    ("pointers that are no JSON", holds("live.json", b"choice"), Corrupt, ("live.json", "not JSON", "delete")),
    ("pointers of no bytes", holds("live.json", b""), Corrupt, ("live.json", "not JSON", "delete")),
    ("pointers that are a list", holds("live.json", b'["choice"]'), Corrupt, ("live.json", "encoder", "delete")),
    ("pointer that is a number", holds("live.json", b'{"choice": 7}'), Corrupt, ("live.json", "encoder", "delete")),
    ("pointer to nothing", holds("live.json", b'{"choice": ""}'), Corrupt, ("live.json", "encoder", "delete")),
    ("pointers that are a folder", a_folder("live.json"), Unavailable, ("live.json", "cannot be read")),
    ("log that is text", holds("events.sqlite", b"id,kind\n" * 999), Corrupt,
        ("event log", "not a database", "backup")),
    ("log cut off in the middle", cut("events.sqlite"), Corrupt, ("event log", "malformed", "backup")),
    ("log with changed pages", overwritten("events.sqlite", 4096, 20_000), Corrupt, ("event log", "backup")),
    ("log that is a folder", a_folder("events.sqlite"), Unavailable, ("event log", "unable to open")),
    ("catalogue that is text", holds("domains/films/items.sqlite", b"id,title\n" * 999), Corrupt,
        ("films", "not a database")),
    ("catalogue cut off in the middle", cut("domains/films/items.sqlite"), Corrupt, ("films", "malformed")),
    ("catalogue with changed pages", overwritten("domains/films/items.sqlite", 4096, 30_000), Corrupt, ("films",)),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "kind", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_damaged_store_is_refused(
    store: Path, built: Built, cheap: Encoder, damage: Damage, kind: type[SegueError], words: tuple[str, ...]
) -> None:
    damage(store)
    with refused(kind, *words):
        Engine.open(store, encoder=cheap)
    for name in ("segue.json", "live.json", "events.sqlite", "domains/films/items.sqlite"):  # as from a backup
        file = store / name
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        for leftover in file.parent.glob(file.name + "-*"):
            leftover.unlink()
        shutil.copy(built.folder / name, file)
    assert_nothing_lost(store, built, cheap)


HEALED: list[tuple[str, Damage]] = [
    ("text index that is gone", gone("domains/films/text")),
    ("text index without its list of segments", gone("domains/films/text/meta.json")),
    ("text index with a list that is no JSON", holds("domains/films/text/meta.json", b"nonsense")),
    ("text index without its segments", gone("domains/films/text/*.term")),
    ("text index with segments of no bytes",
        emptied("domains/films/text/*.idx")),
    ("text index of another version", holds("domains/films/text/segue-version", b"7")),
    ("text index that does not know its version", holds("domains/films/text/segue-version", b"nonsense")),
    ("vectors cut off in the middle", cut("domains/films/vectors/rows.i8")),
    ("vectors cut off in the middle of a row", cut("domains/films/vectors/rows.i8", 0.45)),
    ("vectors that are gone", gone("domains/films/vectors/rows.i8")),
    ("vectors whose folder is gone", gone("domains/films/vectors")),
    ("vectors that do not say who made them", gone("domains/films/vectors/encoder.json")),
    ("vectors made by nonsense", holds("domains/films/vectors/encoder.json", b"nonsense")),
    ("vectors of another encoder",
        holds("domains/films/vectors/encoder.json", b'{"fingerprint": "x", "dimensions": 16}')),
    ("clusters that are nonsense", holds("domains/films/vectors/ivf.json", b"nonsense")),
    ("clusters that point to nothing",
        holds("domains/films/vectors/ivf.json", b'{"file": "x", "covers": 1, "probes": 1}')),
    ("clusters that are a list", holds("domains/films/vectors/ivf.json", b"[]")),
    ("choice that is gone", gone("artifacts/choice-*")),
    ("choice with a changed file", choice("tensors.safetensors", b"nonsense")),
    ("choice with a manifest that is no JSON", choice("manifest.json", b"nonsense")),
    ("choice of an unknown format", choice("manifest.json", b'{"format": 99}')),
    ("pointers that are gone", gone("live.json")),
    ("settings that are gone from a kill while they were written",
        lambda store: (store / "segue.new").write_bytes(b"{")),
    ("artifact that was never finished", lambda store: (store / "artifacts/.choice-1.0.part").mkdir()),
    ("folder among the domains that is none", lambda store: (store / "domains/notes").mkdir()),
    ("file among the domains", holds("domains/notes.txt", b"hello")),
]  # fmt: skip


@pytest.mark.parametrize("damage", [case[1] for case in HEALED], ids=[case[0] for case in HEALED])
def test_damaged_store_heals(store: Path, built: Built, cheap: Encoder, damage: Damage) -> None:
    damage(store)
    with Engine.open(store, encoder=cheap) as engine:
        assert engine.ask("psycho", domain="films").results[0].id == "f2"
        assert engine.index([{"id": "f9", "title": "Rope"}], domain="films").added == 1
        assert engine.ask("rope", domain="films").results[0].id == "f9"
        assert engine.delete(["f9"], domain="films") == ["f9"]
    for litter in ("segue.new", "artifacts/.choice-1.0.part"):
        path = store / litter
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert_nothing_lost(store, built, cheap)


def notes(folder: Path) -> Path:
    (folder / "notes.txt").write_text("not a store")
    return folder


def a_file(folder: Path) -> Path:
    (folder / "store").write_text("not a store")
    return folder / "store"


PLACES: list[tuple[str, Callable[[Path], Path], bool, type[SegueError], tuple[str, ...]]] = [
    ("store that is not there", lambda folder: folder / "nowhere", False, NotFound, ("nowhere", "segue index")),
    ("empty folder", lambda folder: folder, False, NotFound, ("no store",)),
    ("folder of other things", notes, True, InvalidInput, ("other files", "new folder")),
    ("store that is a file", a_file, True, InvalidInput, ("is a file", "folder")),
    ("store inside a file", lambda folder: a_file(folder) / "inside", True, Unavailable, ("inside", "another folder")),
    ("store with NUL in its name", lambda folder: folder / "a\0b", True, Unavailable, ("another folder",)),
    ("store with a name of 300 letters", lambda folder: folder / ("s" * 300), True, InvalidInput, ("another path",)),
]


@pytest.mark.parametrize(
    ("place", "create", "kind", "words"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES]
)
def test_place_that_holds_no_store(
    tmp_path: Path,
    cheap: Encoder,
    place: Callable[[Path], Path],
    create: bool,
    kind: type[SegueError],
    words: tuple[str, ...],
) -> None:
    folder = place(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with refused(kind, *words):
        Engine.open(folder, create=create, encoder=cheap)
    assert sorted(tmp_path.rglob("*")) == before


def named(name: str) -> Damage:
    return holds("live.json", orjson.dumps({"encoder": name}))


def test_live_encoder_that_is_gone(store: Path) -> None:
    """It is not replaced by another one behind the user's back."""
    named("encoder-ours")(store)
    with refused(Corrupt, "encoder-ours", "live.json"):
        Engine.open(store)
    assert not (store / "artifacts" / "encoder-ours").exists()


@pytest.mark.parametrize(
    ("file", "content", "kind", "words"),
    [
        ("model.onnx", b"nonsense", Corrupt, ("model.onnx", "8 bytes")),
        ("tokenizer.json", None, Corrupt, ("tokenizer.json", "missing")),
        ("manifest.json", b"nonsense", Corrupt, ("manifest.json", "not JSON")),
        ("manifest.json", None, NotFound, ("no trained part", "manifest.json")),
        ("manifest.json", b'{"format": 2}', InvalidInput, ("format 2", "upgrade")),
    ],
    ids=[
        "encoder with a changed model",
        "encoder without its tokenizer",
        "encoder with a manifest that is no JSON",
        "encoder without a manifest",
        "encoder of a format to come",
    ],
)
def test_damaged_encoder(
    int8_folder: Path,
    store: Path,
    built: Built,
    cheap: Encoder,
    file: str,
    content: bytes | None,
    kind: type[SegueError],
    words: tuple[str, ...],
) -> None:
    folder = shutil.copytree(int8_folder, store / "artifacts" / "encoder-ours")
    (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
    named("encoder-ours")(store)
    with refused(kind, *words):
        Engine.open(store)
    assert_nothing_lost(store, built, cheap)


def test_encoder_that_is_another_part(store: Path, built: Built, cheap: Encoder) -> None:
    before = (store / "live.json").read_bytes()
    named(next((store / "artifacts").glob("choice-*")).name)(store)
    with refused(InvalidInput, "'choice'", "'encoder'"):
        Engine.open(store)
    with refused(InvalidInput, "threads is 0"):
        OnnxEncoder.open(store, threads=0)
    (store / "live.json").write_bytes(before)
    assert_nothing_lost(store, built, cheap)


def test_two_writers_at_once(shop: Engine, cheap: Encoder) -> None:
    """Two engines on one store, each indexing: one waits for the other, and both files are there as a whole."""
    with Engine.open(shop.store.folder, encoder=cheap) as other:
        shop.index([{"id": "x", "title": "first"}], domain="incoming")
        faults: list[BaseException] = []

        def write(engine: Engine, mark: str) -> None:
            try:
                for start in range(3):
                    rows = [{"id": f"{mark}{start}-{i}", "title": f"{mark} {i}"} for i in range(50)]
                    engine.index(rows, domain="incoming")
            except BaseException as error:  # noqa: BLE001  told below
                faults.append(error)

        threads = [threading.Thread(target=write, args=pair) for pair in ((shop, "a"), (other, "b"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []
        for engine in (shop, other):
            engine.domains.refresh()
            assert len(engine.domains.get("incoming").snapshot) == 301


def test_writer_that_holds_on(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(self: FileLock, *_: object, **__: object) -> None:
        raise Timeout(self.lock_file)

    with monkeypatch.context() as patched:
        patched.setattr(FileLock, "acquire", busy)
        with refused(Unavailable, "Another process", "'films'", "wait"):
            shop.index([{"id": "x", "title": "y"}], domain="films")
        with refused(Unavailable, "Another process", "'films'", "wait"):
            shop.delete(["f1"], domain="films")
        with refused(Unavailable, "live", "choice"):
            shop.store.go_live("choice", Path("choice-x"))


@pytest.fixture
def read_only(store: Path) -> Iterator[Path]:
    """The store on a disk that cannot be written; root may write into every folder, so the disk itself must refuse."""
    _mount("-o", "bind", store, store)
    try:
        _mount("-o", "remount,ro,bind", store, store)
        yield store
    finally:
        subprocess.run(["umount", str(store)], check=True)


def _mount(*words: object) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")


def test_store_that_cannot_be_written(read_only: Path, cheap: Encoder) -> None:
    with refused(Unavailable, "rights"):
        Engine.open(read_only, encoder=cheap)
    with refused(Unavailable, "live choice", "choice-x"):
        Store.open(read_only).go_live("choice", Path("choice-x"))
    with refused(Unavailable, "another folder"):
        Engine.open(read_only / "inside", encoder=cheap)


def test_encoder_of_other_dimensions(store: Path, built: Built, cheap: Encoder) -> None:
    """Another encoder embeds everything anew, and so does the old one when it comes back."""
    other = Cheap()
    other.dimensions, other.fingerprint = 24, "other"
    assert_nothing_lost(store, built, other)
    assert_nothing_lost(store, built, cheap)
