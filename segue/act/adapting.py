"""Adapting to places that nobody gives instructions for: a policy begins anew, on what the agent made there of its own and on
the demonstrations.

Anew, as in practice (`practising`): a policy that goes on from what it knew walks by what it can see and leaves its memory of
places alone, and one that keeps to what it did (Li and Hoiem, "Learning without Forgetting", ECCV 2016) keeps to its errors.
"""

from segue.act.cloning import Cloning
from segue.act.examples import Examples, Made, Shown, Source
from segue.act.follower import Follower
from segue.act.learner import Pace
from segue.act.practising import MADE


def adapting(policy: Follower, shown: Shown, made: Examples | None, *, updates: int, seed: int = 0) -> Cloning:
    """The learner of a new policy; where nothing was made, of the demonstrations alone."""
    sources: list[Source] = [shown, *([Made(made, MADE)] if made else [])]
    return Cloning(policy, sources, Pace(updates, rate=1.5e-3), batch=128, seed=seed)
