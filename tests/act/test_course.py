"""Training: it learns, stops, goes on as if it had not stopped, and keeps the best."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segue.act.cloning import Cloning
from segue.act.course import train
from segue.act.episodes import Batch
from segue.act.examples import Made, Misaligned, Relabelled, Rephrased, Replay, Sampled, Shown
from segue.act.exploring import explored, shuffled, without_goals
from segue.act.goals import rephrasings
from segue.act.inverse import InverseLearning, Practice, Settings, begun
from segue.act.learner import Learner, Pace
from segue.act.policy import follow, walk
from segue.errors import Corrupt, InvalidInput
from tests.act.conftest import Little


def cloning(little: Little, updates: int) -> Cloning:
    policy = little.follower()
    return Cloning(policy, [Shown(little.shown, little.words)], Pace(updates, rate=5e-3, warmup=10), batch=24)


def inverse(little: Little, updates: int) -> InverseLearning:
    replay, generator = Replay(3), little.generator()
    shown = Shown(little.shown, little.words)
    return InverseLearning(
        begun(little.follower(dropout=0.1), generator=generator),
        [shown, Rephrased(little.shown, rephrasings(generator, little.shown, little.words)), Relabelled(replay)],
        [Sampled(replay), Misaligned(Shown(little.shown, little.words))],
        replay,
        Pace(updates, rate=1e-3, warmup=2),
        practice=Practice(little.world, little.walks, little.words),
        settings=Settings(batch=8, walks=8),
    )


def success(little: Little, learner: Learner) -> float:
    policy = learner.networks["policy"]
    return float(follow(policy, little.vocabulary, little.world, little.walks)[1]["success"].mean())  # type: ignore[arg-type]


def test_cloning_learns_to_follow(little: Little) -> None:
    learner = cloning(little, 300)
    course = train(
        learner, 300, judge=lambda: {"success": success(little, learner)}, by="success", every=50, progress=False
    )
    assert success(little, learner) == max(one["success"] for one in course.judged) > 0.9


@pytest.mark.parametrize("kind", ["cloning", "inverse"])
def test_a_stopped_course_goes_on_as_if_it_had_not_stopped(little: Little, tmp_path: Path, kind: str) -> None:
    make = {"cloning": cloning, "inverse": inverse}[kind]

    def trained(learner: Learner, updates: int, folder: Path | None) -> dict[str, torch.Tensor]:
        train(
            learner,
            updates,
            judge=lambda: {"updates": learner.updates},
            by="updates",
            every=4,
            folder=folder,
            progress=False,
        )
        return {name: tensor for one in learner.networks.values() for name, tensor in one.state_dict().items()}

    whole = trained(make(little, 8), 8, None)
    trained(make(little, 8), 4, tmp_path / "course")
    again = trained(make(little, 8), 8, tmp_path / "course")
    for name, tensor in whole.items():
        torch.testing.assert_close(again[name], tensor, rtol=0, atol=0, msg=name)


def test_a_folder_of_another_course_is_refused(little: Little, tmp_path: Path) -> None:
    learner = cloning(little, 2)
    train(learner, 2, judge=lambda: {"a": 0.0}, by="a", folder=tmp_path, progress=False)
    with pytest.raises(InvalidInput, match="other networks"):
        train(inverse(little, 2), 2, judge=lambda: {"a": 0.0}, by="a", folder=tmp_path, progress=False)
    (tmp_path / "course.safetensors").write_bytes(b"nothing")
    with pytest.raises(Corrupt, match="train anew"):
        train(cloning(little, 2), 2, judge=lambda: {"a": 0.0}, by="a", folder=tmp_path, progress=False)


def test_without_a_world_it_learns_from_demonstrations_alone(little: Little) -> None:
    replay = Replay()
    learner = InverseLearning(
        begun(little.follower()),
        [Shown(little.shown, little.words)],
        [Sampled(replay), Misaligned(Shown(little.shown, little.words))],
        replay,
        Pace(4),
        practice=None,
        settings=Settings(batch=8),
    )
    seen = learner.update()
    assert {"discriminator", "told apart", "critics", "actor", "cloning"} <= set(seen)
    assert all(np.isfinite(value) for value in seen.values())


def test_what_is_explored_has_names(little: Little) -> None:
    explorer = cloning(little, 100)
    explorer.sources = [Made(without_goals(little.shown))]
    train(explorer, 100, judge=lambda: {"a": 0.0}, by="a", progress=False)
    made = explored(explorer.policy, little.generator(), little.world, little.walks, seed=1)
    assert len(made) > 20
    assert made.episodes.ended.all()
    assert made.episodes.lengths.min() >= 2
    mixed = shuffled(made)
    assert sorted(map(tuple, mixed.words.tolist())) == sorted(map(tuple, made.words.tolist()))
    assert not torch.equal(mixed.words, made.words)
    with pytest.raises(InvalidInput, match="ended by itself"):
        explored(explorer.policy, little.generator(), little.world, little.walks, least=9)


def test_what_was_asked_is_done_named_anew_and_the_most_believed_is_kept(little: Little) -> None:
    policy = cloning(little, 100)
    train(policy, 60, progress=False)
    walks, words = little.walks[:12], little.words[:12]
    likeliest = walk(policy.policy.eval(), little.world, walks, words)
    asked = explored(
        policy.policy, little.generator(), little.world, walks, words=words, temperature=0.001, tries=1, seed=1
    )
    np.testing.assert_array_equal(asked.episodes.actions, likeliest.actions)
    first = likeliest.actions[0]

    def goes_that_way(batch: Batch, said: Tensor) -> Tensor:
        return torch.eq(batch.actions[:, 0], first).float() - torch.arange(len(said)) / 1000

    half = explored(
        policy.policy,
        little.generator(),
        little.world,
        walks,
        words=words,
        temperature=0.001,
        tries=1,
        believed=goes_that_way,
        share=0.25,
    )
    assert len(half) == 3
    assert (half.episodes.batch().actions[:, 0] == first).all()
