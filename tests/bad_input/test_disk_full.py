"""A disk that is really full: 8 MB, no byte free. What was acknowledged stays, the rest says why not."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from segue import artifact
from segue.encode.encoder import Encoder
from segue.engine import Engine
from segue.errors import Unavailable
from segue.serve.http import make_app
from segue.store import Store

from .clear import assert_clear, refused
from .conftest import Built, assert_nothing_lost

KB = 1024
ROWS = [{"id": f"n{i}", "title": f"New film {i}", "plot": f"word{i} " * 40} for i in range(1500)]


@dataclass(frozen=True)
class Disk:
    """A small file system."""

    folder: Path

    def fill(self, *, but: int = 0) -> None:
        """Leave `but` bytes free."""
        free = os.statvfs(self.folder)
        with (self.folder / "ballast").open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, free.f_bavail * free.f_frsize - but)

    def free(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("nothing can be mounted here; test_events.py has a full database without it")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def folder(disk: Disk, built: Built) -> Path:
    """A copy of the store on the small disk."""
    return shutil.copytree(built.folder, disk.folder / "store")


def test_feedback_on_a_full_disk(disk: Disk, folder: Path, built: Built, cheap: Encoder) -> None:
    with Engine.open(folder, encoder=cheap) as engine:
        before = engine.memory.digest()
        disk.fill()
        sent = []
        for number in range(50):  # what is left of the log's last page may take some
            try:
                engine.feedback(built.answer, "f5", action="click", id=f"e{number}")
                sent.append(number)
            except Unavailable as error:
                assert_clear(str(error), "event log", "full", "free some space")
                break
        else:
            pytest.fail("the disk was never full")
        assert engine.ask("psycho", domain="films").results[0].id == "f2"
        if not sent:
            assert engine.memory.digest() == before
        disk.free()
        for number in range(50):
            engine.feedback(built.answer, "f5", action="click", id=f"e{number}")
        learned = engine.memory.feedback
    assert_nothing_lost(folder, built, cheap)
    with Engine.open(folder, encoder=cheap) as engine:
        assert engine.memory.feedback == learned
        assert sorted(event.id for event in engine.log.recent("feedback", 50)) == sorted(f"e{n}" for n in range(50))


def test_answer_on_a_full_disk(disk: Disk, folder: Path, built: Built, cheap: Encoder) -> None:
    """Answering goes on; the server says 503 to feedback until there is space again."""
    with (
        Engine.open(folder, encoder=cheap) as engine,
        TestClient(make_app(engine), base_url="http://localhost") as client,
    ):
        disk.fill()
        for number in range(40):
            answer = client.post("/v1/requests", json={"text": f"psycho {number}", "domain": "films"})
            assert answer.status_code == 200
            assert answer.json()["results"][0]["id"] == "f2"
        act = {"answer": answer.json()["id"], "item": "f2", "action": "click", "id": "e1"}
        refusal = client.post("/v1/feedback", json=act)
        assert refusal.status_code == 503
        assert refusal.headers["content-type"] == "application/problem+json"
        assert_clear(refusal.json()["detail"], "full", "free some space")
        disk.free()
        assert client.post("/v1/feedback", json=act).json()["new"] is True
        assert client.post("/v1/feedback", json=act).json()["new"] is False
    assert_nothing_lost(folder, built, cheap)


@pytest.mark.parametrize("left", [0, 40, 100, 200, 300, 400, 500, 600, 700, 750, 800, 850, 900, 1000])
def test_index_on_a_full_disk(disk: Disk, folder: Path, built: Built, cheap: Encoder, left: int) -> None:
    """With `left` KB free the rows, vectors or text index do not fit: the old catalogue or the new, never a mix."""
    with Engine.open(folder, encoder=cheap) as engine:
        disk.fill(but=left * KB)
        try:
            engine.index(ROWS, domain="films")
        except Unavailable as error:
            assert_clear(str(error), "films", "free some space")
            assert len(engine.domains.get("films").snapshot) == 5
        else:
            assert left > 100
            assert len(engine.domains.get("films").snapshot) == 1505
        assert engine.ask("psycho", domain="films").results[0].id == "f2"
        disk.free()
        if left % 200:
            report = engine.index(ROWS, domain="films")  # in the process that failed
            assert report.added + report.unchanged == 1500
            assert engine.ask("new film 700", domain="films").results[0].id == "n700"
    with Engine.open(folder, encoder=cheap) as engine:
        assert len(engine.domains.get("films").snapshot) in (5, 1505)
        report = engine.index(ROWS, domain="films")
        assert report.added + report.unchanged == 1500
        assert engine.ask("new film 700", domain="films").results[0].id == "n700"
        assert len(engine.delete([f"n{i}" for i in range(1500)], domain="films")) == 1500
    assert_nothing_lost(folder, built, cheap)


def test_deletion_on_a_full_disk(disk: Disk, folder: Path, built: Built, cheap: Encoder) -> None:
    with Engine.open(folder, encoder=cheap) as engine:
        disk.fill()
        with refused(Unavailable, "films", "free some space"):
            engine.delete(["f1"], domain="films")
        assert engine.ask("mary poppins", domain="films").results[0].id == "f1"
    disk.free()
    with Engine.open(folder, encoder=cheap) as engine:
        if not engine.delete(["f1"], domain="films"):
            pytest.fail("the deletion was refused and done")
        engine.index([{"id": "f1", "title": "Mary Poppins"}], domain="films")


def test_opening_on_a_full_disk(disk: Disk, folder: Path, built: Built, cheap: Encoder) -> None:
    disk.fill()
    with refused(Unavailable, "free some space"):
        Engine.open(folder, encoder=cheap)
    disk.free()
    assert_nothing_lost(folder, built, cheap)


def test_new_store_on_a_full_disk(disk: Disk, cheap: Encoder) -> None:
    disk.fill()
    with refused(Unavailable, "new", "No space left", "another folder"):
        Engine.open(disk.folder / "new", encoder=cheap)
    disk.free()
    with Engine.open(disk.folder / "new", encoder=cheap) as engine:
        assert engine.index(ROWS[:5], domain="films").added == 5


def test_going_live_on_a_full_disk(disk: Disk, folder: Path, built: Built, cheap: Encoder) -> None:
    store = Store.open(folder)
    before = store.live("choice")
    disk.fill()
    with refused(Unavailable, "live choice", "No space"):
        store.go_live("choice", Path("choice-" + "x" * 1000))
    assert store.live("choice") == before
    disk.free()
    assert_nothing_lost(folder, built, cheap)


def test_artifact_on_a_full_disk(disk: Disk) -> None:
    disk.fill(but=16 * KB)
    with refused(Unavailable, "ranker", "No space left", "nothing was left behind"):
        artifact.write(disk.folder / "a", kind="ranker", name="big", tensors={"w": np.zeros(100_000, np.float32)})
    assert [path.name for path in disk.folder.iterdir()] == ["ballast"]
