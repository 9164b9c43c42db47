"""Practice: the policy does tasks that nobody showed, the generator names what it did, the reward chooses what to believe, and
from that and the demonstrations the next policy begins anew.

Hindsight (Andrychowicz et al., NeurIPS 2017) with words as goals, in rounds (Ghosh et al., "Learning to Reach Goals via Iterated
Supervised Learning", ICLR 2021). Anew, for a policy that knows its few demonstrations by heart does not leave them. It is told
what the world asks for, for then it goes straight to something; whether it did it nobody tells.
"""

from collections.abc import Callable

import numpy as np
import torch

from segue.act.examples import Examples, Made, Source
from segue.act.exploring import explored
from segue.act.follower import Follower
from segue.act.goals import Believed, GoalGenerator
from segue.act.inverse import Practice

MADE = 3
"""Examples of its own for each that was shown."""


def practised(
    policy: Follower,
    goals: GoalGenerator,
    practice: Practice,
    shown: Source,
    begin: Callable[[int, list[Source]], Follower],
    *,
    believed: Believed,
    rounds: int = 2,
    seed: int = 0,
    progress: bool = False,
) -> Follower:
    """The policy of the last round. Each round has its share of the tasks; `begin` trains the policy of a round, 0, 1, …, on
    examples of these sources."""
    made: list[Examples] = []
    for at, part in enumerate(np.array_split(np.arange(len(practice.tasks)), rounds)):
        done = explored(
            policy,
            goals,
            practice.world,
            [practice.tasks[task] for task in part.tolist()],
            words=practice.words[torch.from_numpy(part)],
            believed=believed,
            temperature=0.5,
            tries=1,
            ways=4,
            share=0.8,
            least=3,
            seed=seed + 1000 * at,
            progress=progress,
        )
        made.append(done)
        policy = begin(at, [shown, *(Made(one, MADE / len(made)) for one in made)])
    return policy
