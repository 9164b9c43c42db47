"""Learning from made examples, and keeping what was known."""

from copy import deepcopy

import torch

from segue.act.adapting import Adapting
from segue.act.cloning import Cloning, log_likelihood
from segue.act.examples import Examples, Made, Shown
from segue.act.follower import Follower
from segue.act.learner import Pace
from tests.act.conftest import Little


def test_what_is_made_is_learned_and_what_was_shown_is_kept(little: Little) -> None:
    policy, shown = little.follower(), Shown(little.shown, little.words)
    cloning = Cloning(policy, [shown], Pace(150, rate=5e-3, warmup=10), batch=24)
    for _ in range(150):
        cloning.update()
    before = deepcopy(policy).eval()
    nothing = torch.full_like(little.words, 1)  # words that nobody said
    made = Made(Examples(little.shown.episodes[little.shown.shown], nothing))

    def likely(policy: Follower, words: torch.Tensor) -> float:
        with torch.inference_mode():
            return float(log_likelihood(policy.eval(), little.shown.episodes.batch(little.shown.shown), words).mean())

    learned = {}
    for keep in (0.0, 5.0):
        adapted = deepcopy(before)
        learner = Adapting(adapted, [made], shown, Pace(60, rate=5e-3, warmup=5), keep=keep, batch=16)
        seen = [learner.update() for _ in range(60)]
        learned[keep] = (likely(adapted, nothing), likely(adapted, little.words), seen[0]["lost"], seen[-1]["lost"])
    assert learned[5.0][0] > likely(before, nothing) + 0.05
    kept, lost = learned[5.0][1], learned[0.0][1]
    assert kept > lost
    assert learned[5.0][2] < 1e-6  # at first nothing is lost
    assert learned[5.0][3] < learned[0.0][3]
    for name, tensor in learner.before.state_dict().items():
        torch.testing.assert_close(tensor, before.state_dict()[name], rtol=0, atol=0)
