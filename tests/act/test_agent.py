"""An agent kept on disk is the agent that was trained; what it is asked wrongly it says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segue.act import agent
from segue.act.agent import Agent, Build
from segue.act.grounds import went
from segue.act.reward import Reward
from segue.errors import Corrupt, InvalidInput, NotFound
from tests.act.conftest import Little

META = {"seed": 0, "edges": [1, 1]}


@pytest.fixture(scope="module")
def made(little: Little) -> Agent:
    torch.manual_seed(0)
    build = Build.of(little.shown.instructions, {"kind": "houses"}, little.graphs.names, width=16, latent=3)
    parts: dict[str, Any] = {
        "reward": Reward(build.follower()),
        "goals": build.generator(),
        "explorer": build.follower(),
    }
    return Agent(build, build.follower(), **parts, others=little.shown.episodes[[2, 5]], meta=META)


def test_kept_and_loaded_it_is_the_same(little: Little, made: Agent, tmp_path: Path) -> None:
    made.save(tmp_path / "agent", name="little")
    again = agent.load(tmp_path / "agent", names=little.graphs.names)
    assert again.meta == META
    first, measures = made.act(little.world, little.walks)
    second, same = again.act(little.world, little.walks)
    assert all(np.array_equal(one.actions, other.actions) for one, other in zip(first, second, strict=True))
    assert all(np.array_equal(measures[name], same[name]) for name in measures)
    episodes = little.shown.episodes[little.shown.shown]
    assert np.array_equal(
        made.score(episodes, little.shown.instructions), again.score(episodes, little.shown.instructions)
    )
    assert made.caption(episodes, each=3) == again.caption(episodes, each=3)


def test_it_thinks_before_it_walks(little: Little, made: Agent) -> None:
    """Of the four doors of each hall the one that reward and generator believe most together."""
    (episodes,), measures = made.think(little.world, little.walks)
    assert episodes.lengths.tolist() == [2] * len(little.walks)  # as long as what was shown
    assert measures["success"].shape == (len(little.walks),)
    beliefs = []
    for door in range(4):
        ways = [(walk.start, int(little.graphs.ways[walk.start, door])) for walk in little.walks]
        batch = went(little.world, little.walks, ways).batch()
        with torch.inference_mode():
            beliefs.append(torch.stack([judge(batch, little.words) for judge in made.judge.among_ways]).sum(0).numpy())
    np.testing.assert_array_equal(episodes.actions[::2], 1 + np.argmax(beliefs, 0))
    with pytest.raises(InvalidInput, match="how far people go"):
        Agent(made.build, made.policy, reward=made.reward).think(little.world, little.walks)


def test_captions_are_as_many_as_asked(little: Little, made: Agent) -> None:
    captions = made.caption(little.shown.episodes, each=2, seed=4)
    assert len(captions) == len(little.shown.episodes)
    assert all(len(one) == 2 for one in captions)


def test_what_was_not_trained_is_said(little: Little, made: Agent) -> None:
    bare = Agent(made.build, made.policy)
    with pytest.raises(InvalidInput, match="without a reward"):
        bare.score(little.shown.episodes, ["go north"] * len(little.shown.episodes))
    with pytest.raises(InvalidInput, match="without a generator"):
        bare.caption(little.shown.episodes)
    with pytest.raises(InvalidInput, match="one for each"):
        made.score(little.shown.episodes, ["go north"])


def test_folders_that_are_no_agent(little: Little, made: Agent, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        agent.load(tmp_path / "nowhere", names=little.graphs.names)
    made.save(tmp_path / "agent", name="little")
    with pytest.raises(InvalidInput, match="names of things"):
        agent.load(tmp_path / "agent")
    tensors = next((tmp_path / "agent").glob("*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:-5])
    with pytest.raises(Corrupt):
        agent.load(tmp_path / "agent", names=little.graphs.names)


def test_things_of_other_names_are_seen_by_what_is_known_of_them(little: Little, made: Agent, tmp_path: Path) -> None:
    """A house that has a couch where another had a sofa: the agent is loaded for its names, and sees nearly the same."""
    made.save(tmp_path / "agent", name="little")
    names = tuple("couch" if name == "sofa" else name for name in little.graphs.names)
    other = agent.load(tmp_path / "agent", names=names)
    batch = little.shown.episodes.batch([0])
    one = made.policy.eval().view.matches(batch.observations, little.words[[0]])
    two = other.policy.view.matches(batch.observations, little.words[[0]])
    assert one is not None
    assert two is not None
    assert one.shape == two.shape
    assert not torch.equal(one, two)
