"""Demonstrations on disk: what was saved is loaded, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from segue.act.demonstrations import Demonstrations, demonstrations
from segue.act.files import load, save
from segue.errors import Corrupt, InvalidInput, NotFound


@pytest.fixture
def shown() -> Demonstrations:
    generator = np.random.default_rng(0)
    return demonstrations(
        [
            (
                [
                    ({"choices": np.ones(3, bool), "away": generator.normal(size=2).astype(np.float32)}, step % 3)
                    for step in range(length)
                ],
                words,
            )
            for length, words in ((2, "geh nach links"), (1, "à gauche\nplease"), (4, "turn\0left"))
        ]
    )


def test_what_was_saved_is_loaded(shown: Demonstrations, tmp_path: Path) -> None:
    save(shown, tmp_path / "shown.npz")
    found = load(tmp_path / "shown.npz")
    assert found.instructions == shown.instructions
    for name in ("actions", "starts", "ended"):
        np.testing.assert_array_equal(getattr(found.episodes, name), getattr(shown.episodes, name))
    np.testing.assert_array_equal(found.shown, shown.shown)
    assert set(found.episodes.observations) == set(shown.episodes.observations)
    for field, values in shown.episodes.observations.items():
        np.testing.assert_array_equal(found.episodes.observations[field], values)
        assert found.episodes.observations[field].dtype == values.dtype
    assert [file.name for file in tmp_path.iterdir()] == ["shown.npz"]


def test_anything_else_is_not_loaded(shown: Demonstrations, tmp_path: Path) -> None:
    file = tmp_path / "shown.npz"
    with pytest.raises(NotFound):
        load(file)
    save(shown, file)
    whole = file.read_bytes()
    for broken in (b"", b"words", whole[: len(whole) // 2], whole[:200] + bytes(60) + whole[260:]):
        file.write_bytes(broken)
        with pytest.raises(Corrupt):
            load(file)
    with file.open("wb") as stream:
        np.save(stream, np.arange(3))
    with pytest.raises(Corrupt):
        load(file)
    with file.open("wb") as stream:
        np.savez(stream, actions=np.arange(3))
    with pytest.raises(Corrupt):
        load(file)


def test_objects_are_not_saved(shown: Demonstrations, tmp_path: Path) -> None:
    seen = {**shown.episodes.observations, "away": np.asarray([None] * 7)}
    episodes = type(shown.episodes)(seen, shown.episodes.actions, shown.episodes.starts, shown.episodes.ended)
    with pytest.raises(InvalidInput, match="away"):
        save(Demonstrations(episodes, shown.shown, shown.instructions), tmp_path / "shown.npz")
    assert not list(tmp_path.iterdir())
