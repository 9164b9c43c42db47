"""A trained part is whole or absent, never changed, and says which file is not what was written."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue import artifact
from segue.errors import Corrupt, InvalidInput, NotFound, SegueError, Unavailable


def part(folder: Path, **changes: Any) -> artifact.Artifact:
    given: dict[str, Any] = {
        "kind": "ranker",
        "name": "films",
        "tensors": {"weights": np.arange(6, dtype=np.float32).reshape(2, 3)},
        "files": {"model.bin": b"\x00\x01", "names.json": b"[]"},
        "meta": {"features": ["bm25", "clicks"], "rounds": 3},
        "created": 1.5,
    }
    return artifact.write(folder, **{**given, **changes})


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / artifact.MANIFEST
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def test_what_is_opened_is_what_was_written(tmp_path: Path) -> None:
    written = part(tmp_path / "a", parent="0" * 64)
    opened = artifact.open(tmp_path / "a", kind="ranker")
    assert opened == written
    assert (opened.kind, opened.name, opened.parent, opened.created) == ("ranker", "films", "0" * 64, 1.5)
    assert opened.meta == {"features": ["bm25", "clicks"], "rounds": 3}
    assert opened.path("model.bin").read_bytes() == b"\x00\x01"
    assert [f.name for f in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3).T, np.float32(3.0), np.zeros((0, 4), dtype=np.int8), np.arange(10)[::3]],
    ids=["transposed", "scalar", "empty", "strided"],
)
def test_tensors_come_back_as_they_were(tmp_path: Path, array: Any) -> None:
    part(tmp_path / "a", tensors={"x": array})
    back = artifact.open(tmp_path / "a", kind="ranker").tensors()["x"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_hash_is_over_content_kind_and_meta_only(tmp_path: Path) -> None:
    base = part(tmp_path / "a").hash
    assert part(tmp_path / "b", name="other", created=9.0, parent=base).hash == base
    assert part(tmp_path / "c", meta={}).hash != base
    assert part(tmp_path / "d", kind="reader").hash != base
    assert part(tmp_path / "e", files={"model.bin": b"\x00\x02", "names.json": b"[]"}).hash != base
    assert part(tmp_path / "f", files={"renamed.bin": b"\x00\x01", "names.json": b"[]"}).hash != base


@settings(max_examples=30, deadline=None)  # each example waits for the disk
@given(meta=st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=3))
def test_any_json_meta_survives(tmp_path_factory: pytest.TempPathFactory, meta: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("meta") / "a"
    written = artifact.write(folder, kind="k", name="n", meta=meta)
    assert artifact.open(folder, kind="k") == written


def test_a_part_is_never_overwritten(tmp_path: Path) -> None:
    part(tmp_path / "a")
    before = (tmp_path / "a" / artifact.MANIFEST).read_bytes()
    with pytest.raises(InvalidInput, match="never changed"):
        part(tmp_path / "a", name="second")
    assert (tmp_path / "a" / artifact.MANIFEST).read_bytes() == before


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "", ".hidden", "manifest.json", "Manifest.JSON", "a\n", "ü"])
def test_unsafe_file_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name"):
        part(tmp_path / "a", files={name: b""})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes",
    [
        {"meta": {"x": object()}},
        {"meta": {"x": float("nan")}},
        {"tensors": {"x": np.array([object()])}},
        {"tensors": {"x": np.zeros(1)}, "files": {artifact.TENSORS: b""}},
    ],
)
def test_what_cannot_be_kept_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        part(tmp_path / "a", **changes)
    assert not list(tmp_path.iterdir())


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    part(tmp_path / "a")
    (tmp_path / "a" / "model.bin").write_bytes(b"\x00\x03")
    with pytest.raises(Corrupt, match=r"model\.bin was changed"):
        artifact.open(tmp_path / "a", kind="ranker")
    (tmp_path / "a" / "model.bin").write_bytes(b"\x00")
    with pytest.raises(Corrupt, match=r"model\.bin has 1 bytes"):
        artifact.open(tmp_path / "a", kind="ranker")
    (tmp_path / "a" / "model.bin").unlink()
    with pytest.raises(Corrupt, match=r"model\.bin is missing"):
        artifact.open(tmp_path / "a", kind="ranker")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: m.update(format=99), InvalidInput, "format 99"),
        (lambda m: m.pop("format"), Corrupt, "does not describe"),
        (lambda m: m.pop("kind"), Corrupt, "'kind'"),
        (lambda m: m.update(meta=[]), Corrupt, "'meta'"),
        (lambda m: m["meta"].update(rounds=4), Corrupt, "hash does not fit"),
        (lambda m: m["files"].update({"../x": {"sha256": "", "bytes": 0}}), Corrupt, "not inside the folder"),
        (lambda m: m["files"].update({"x": {"sha256": 3}}), Corrupt, "'x'"),
    ],
)
def test_a_wrong_manifest_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], error: type[SegueError], message: str
) -> None:
    part(tmp_path / "a")
    change_manifest(tmp_path / "a", change)
    with pytest.raises(error, match=message):
        artifact.open(tmp_path / "a", kind="ranker")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_not_one_is_corrupt(tmp_path: Path, content: bytes) -> None:
    part(tmp_path / "a")
    (tmp_path / "a" / artifact.MANIFEST).write_bytes(content)
    with pytest.raises(Corrupt, match=r"manifest\.json"):
        artifact.open(tmp_path / "a", kind="ranker")


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(NotFound):
            artifact.open(folder, kind="ranker")
    opened = part(tmp_path / "a", tensors=None)
    with pytest.raises(InvalidInput, match="kind 'ranker'"):
        artifact.open(tmp_path / "a", kind="encoder")
    with pytest.raises(NotFound, match=r"one of: model\.bin, names\.json"):
        opened.path("../a/model.bin")
    with pytest.raises(NotFound):
        opened.tensors()


@pytest.mark.parametrize("at", range(5))
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    real, calls = os.fsync, iter(range(100))

    def fail(descriptor: int) -> None:
        if next(calls) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable, match="No space left"):
        part(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_lost_race_leaves_the_winner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.rename

    def second(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", real)
        part(tmp_path / "a", name="winner")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", second)
    with pytest.raises(InvalidInput, match="exists already"):
        part(tmp_path / "a", name="loser")
    assert artifact.open(tmp_path / "a", kind="ranker").name == "winner"
    assert [f.name for f in tmp_path.iterdir()] == ["a"]
