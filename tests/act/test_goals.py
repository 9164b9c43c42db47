"""The generator: its likelihood word by word, its bound below its likelihood, and names that come true."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from segue.act.course import train
from segue.act.episodes import Batch
from segue.act.examples import Shown
from segue.act.goals import GoalGenerator, Naming, Walked, names, rephrasings
from segue.act.language import PADDING
from segue.act.learner import Pace
from tests.act.conftest import Little


@pytest.fixture(scope="module")
def learned(little: Little) -> GoalGenerator:
    generator = little.generator()
    naming = Naming(generator, [Shown(little.shown, little.words)], Pace(300, rate=5e-3, warmup=20), batch=32)
    train(naming, 300, judge=lambda: {"updates": naming.updates}, by="updates", every=300, progress=False)
    return generator.eval()


@pytest.mark.parametrize("latent", [0, 4])
def test_the_likelihood_is_that_of_word_after_word(little: Little, latent: int) -> None:
    generator = little.generator(latent=latent).eval()
    batch, words = little.shown.episodes.batch([0, 1, 2]), little.words[:3]
    with torch.inference_mode():
        way, z = generator.walked(batch), torch.randn(3, latent) if latent else None
        likelihood, counts = generator.likelihood(way, words, z)
        for row in range(3):
            said = [word for word in words[row].tolist() if word != PADDING]
            total = 0.0
            for upto in range(len(said) + 1):
                given = torch.tensor([said[:upto]], dtype=torch.long).view(1, -1)
                chances = generator.following(
                    given, Walked(way.steps[[row]], way.there[[row]]), None if z is None else z[[row]]
                )
                total += chances[0, said[upto] if upto < len(said) else 3].item()
            assert likelihood[row].item() == pytest.approx(total, rel=1e-4)
            assert counts[row] == len(said) + 1


def test_the_bound_is_below_the_likelihood(little: Little, learned: GoalGenerator) -> None:
    batch = little.shown.episodes.batch()
    with torch.inference_mode():
        bounds = [learned.bound(batch, little.words) for _ in range(300)]
        mean = torch.stack([one.likelihood - one.divergence for one in bounds]).mean(0)
        sampled = learned.log_likelihood(batch, little.words, samples=300).likelihood
    assert (mean < sampled + 0.1).all()
    assert mean.mean() < sampled.mean()


def test_names_come_true_and_differ(little: Little, learned: GoalGenerator) -> None:
    """Of the twelve names of three wordings that a walk could have, what is said must be one that is right."""
    right = 0
    noise = torch.Generator().manual_seed(0)
    said: set[str] = set()
    for number in range(0, len(little.walks), 3):
        names = {walk.instruction for walk in little.walks[number : number + 3]}
        words = learned.say(little.shown.episodes.batch([number] * 8), generator=noise)
        texts = [little.vocabulary.text(row) for row in words.tolist()]
        right += sum(text in names for text in texts)
        said |= set(texts)
    assert right / (8 * 16) > 0.9
    assert len(said) > 6


def test_rephrasings_are_of_each_goal(little: Little, learned: GoalGenerator) -> None:
    words = rephrasings(learned, little.shown, little.words, each=3)
    assert words.shape[:2] == (len(little.shown), 3)
    assert torch.equal(words, rephrasings(learned, little.shown, little.words, each=3))
    right = 0
    for number, rows in enumerate(words.tolist()):
        names = {walk.instruction for walk in little.walks[number // 3 * 3 :][:3]}
        right += sum(little.vocabulary.text(row) in names for row in rows)
    assert right / (3 * len(words)) > 0.75


def _short(batch: Batch, words: Tensor) -> Tensor:
    return -(words != PADDING).sum(1) - 1e-4 * torch.arange(len(words))


def test_of_several_names_the_most_believed_is_kept(little: Little, learned: GoalGenerator) -> None:
    episodes = little.shown.episodes[np.arange(12)]
    kept, belief = names(learned, episodes, believed=_short, ways=5, generator=torch.Generator().manual_seed(3))
    batch = episodes.batch(np.repeat(np.arange(12), 5))
    said = learned.say(batch, generator=torch.Generator().manual_seed(3), temperature=0.5)
    assert torch.equal(belief, _short(batch, said).view(12, 5).amax(1))
    for row, ways in zip(kept, said.view(12, 5, -1), strict=True):
        first = ways[int((ways != PADDING).sum(1).argmin())]
        assert little.vocabulary.text(row.tolist()) == little.vocabulary.text(first.tolist())
    once, nobody = names(learned, episodes, ways=5, generator=torch.Generator().manual_seed(3))
    assert not nobody.any()
    assert torch.equal(once, learned.say(episodes.batch(), generator=torch.Generator().manual_seed(3), temperature=0.5))


def test_of_several_rephrasings_the_most_believed_are_kept(little: Little, learned: GoalGenerator) -> None:
    believed = rephrasings(learned, little.shown, little.words, each=2, believed=_short, ways=6)
    assert believed.shape[:2] == (len(little.shown), 2)
    lengths = (believed != PADDING).sum(2)
    assert (lengths[:, 0] <= lengths[:, 1]).all()
    assert lengths.float().mean() <= (rephrasings(learned, little.shown, little.words) != PADDING).sum(2).float().mean()


def test_without_a_latent_there_is_one_name(little: Little) -> None:
    plain = little.generator(latent=0).eval()
    words = plain.say(little.shown.episodes.batch(np.zeros(5, np.int64)))
    assert len({tuple(row) for row in words.tolist()}) == 1
    found = plain.log_likelihood(little.shown.episodes.batch([0]), little.words[[0]])
    assert found.likelihood.item() > -20 * math.log(len(little.vocabulary))
