"""Acting: probabilities of actions out of a follower's numbers, and walking through a world by them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segue.act.episodes import Batch, Episodes, stacked
from segue.act.follower import Follower
from segue.act.language import Vocabulary
from segue.act.world import Actions, Measures, Observation, Task, World

IMPOSSIBLE = -1e9


def log_probabilities(values: Tensor, choices: Tensor) -> Tensor:
    """log π, [b, t, a], from one number for each action [b, t, a] and which can be taken; the others have about
    `IMPOSSIBLE`."""
    return values.masked_fill(~choices, IMPOSSIBLE).log_softmax(-1)


def log_chances(policy: Follower, batch: Batch, words: Tensor) -> Tensor:
    """log π(a | s_t, G) of every action at every step of episodes, [b, t, a]."""
    values = policy(batch.observations, batch.actions, words).values[..., 0]
    return log_probabilities(values, batch.observations["choices"])


def walk(
    policy: Follower,
    world: World[Any],
    tasks: Sequence[Task],
    words: Tensor,
    *,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
) -> Episodes:
    """Follow the instructions `words` [b, n] through a world: sampled with a generator, otherwise what is likeliest at each
    step.

    An episode that the world has not ended within its horizon is broken off. Dropout is left as the policy has it.
    """
    with torch.inference_mode():
        read, memory = policy.reader(words), policy.begin(len(tasks))
        seen, ended = world.begin(tasks), np.zeros(len(tasks), bool)
        lengths = np.zeros(len(tasks), np.int64)
        observations: list[Observation] = []
        actions: list[Actions] = []
        while len(actions) < world.horizon and not ended.all():
            step = {field: torch.from_numpy(values)[:, None] for field, values in seen.items()}
            followed = policy.step(step, memory, read)
            chances = log_probabilities(followed.values[..., 0], step["choices"])[:, 0]
            chosen = _sampled(chances / temperature, generator) if generator else chances.argmax(-1)
            memory = policy.remember(followed, chosen)
            observations.append(seen)
            actions.append(chosen.numpy())
            lengths += ~ended
            seen, ended = world.step(actions[-1])
    return stacked(observations, actions, lengths, ended)


def follow(
    policy: Follower, vocabulary: Vocabulary, world: World[Any], tasks: Sequence[Task], *, batch: int = 256
) -> tuple[list[Episodes], Measures]:
    """Do every task by what is likeliest, and measure it: → episodes, batch by batch, and each measure over all tasks, [n]."""
    training = policy.training
    policy.eval()
    episodes, found = [], []
    for first in range(0, len(tasks), batch):
        some = tasks[first : first + batch]
        episodes.append(walk(policy, world, some, vocabulary.ids([task.instruction for task in some])))
        found.append(world.measured())
    policy.train(training)
    return episodes, {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def _sampled(chances: Tensor, generator: torch.Generator) -> Tensor:
    return torch.multinomial(chances.softmax(-1), 1, generator=generator)[:, 0]
