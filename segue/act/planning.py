"""A language-conditioned reward with planning: the baseline that knows the map.

Fu et al., "From Language to Goals: Inverse Reinforcement Learning for Vision-Based Instruction Following", ICLR 2019: a reward
r(s, a, G) of the state at hand alone is learned by maximum-entropy inverse reinforcement learning with exact planning, in
worlds whose dynamics are known, and is planned with at the end. Here the states of a house are its directed ways (where one
stands, and how one came), and what is maximised is the likelihood of the demonstrations under the soft-optimal policy, through
the iterations themselves.

`e` states, `a` actions, `h` steps of the horizon, `n` words, `d` width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from segue.act.follower import Reader, attention
from segue.act.learner import Learner, Pace
from segue.act.policy import IMPOSSIBLE
from segue.act.views import HouseView
from segue.act.worlds.graphs import NOWHERE, Graphs
from segue.act.worlds.walks import STOP, Walk, observed


@dataclass(frozen=True, eq=False)
class States:
    """The states of one house: `at` int64 [e], the place of each, `leads` int64 [e, a], the state that each action leads to, −1
    where it does not (or stops), and what is seen there."""

    at: NDArray[np.int64]
    leads: Tensor
    observations: dict[str, Tensor]


def states(graphs: Graphs, house: int) -> States:
    """Every directed way of a house as a state: at its end, looking along it."""
    first, last = int(graphs.starts[house]), int(graphs.starts[house + 1])
    here, way = np.nonzero(graphs.ways[first:last] != NOWHERE)
    here = here + first
    at = graphs.ways[here, way]
    number = np.full((last - first, graphs.ways.shape[1]), -1)
    number[here - first, way] = np.arange(len(at))
    leads = np.concatenate([np.full((len(at), 1), -1), number[at - first]], 1)
    seen = observed(graphs, at[:, None], graphs.headings[here, way])
    return States(at, torch.from_numpy(leads), {name: torch.from_numpy(values) for name, values in seen.items()})


class MarkovReward(nn.Module):
    """r(s, a, G) without memory: each action looks up in the words what they say of it."""

    def __init__(self, reader: Reader, view: HouseView, *, width: int = 128, dropout: float = 0.3) -> None:
        super().__init__()
        self.reader, self.view = reader, view
        self.asks, self.of_choice = nn.Linear(width, width), nn.Linear(3 * width, width)
        self.of_words, self.of_match, self.out = nn.Linear(width, width), nn.Linear(1, width), nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, observations: dict[str, Tensor], words: Tensor) -> Tensor:
        """What every action in every state is worth for one instruction, int64 [1, n] → [e, a]; `IMPOSSIBLE` where it cannot be
        taken."""
        seen = {name: values[None] for name, values in observations.items()}
        open_, read = seen["choices"], self.reader(words)
        choices = self.view(seen).choices
        taken = choices[open_]
        matches = self.view.matches(seen, words)[open_]
        looks = attention(self.asks(taken)[None], read)[0]
        told = looks @ read.vectors[0]
        said = (read.vectors * read.there[..., None]).sum(1) / read.there.sum(1, keepdim=True)
        hidden = self.of_choice(torch.cat([taken, told, taken * told], -1)) + self.of_words(said)
        hidden = hidden + self.of_match((looks * matches).sum(-1, keepdim=True))
        made = self.out(self.dropout(F.relu(hidden)))[:, 0]
        rewards: Tensor = made.new_full(open_.shape, IMPOSSIBLE)
        rewards[open_] = made
        return rewards[0]


def soft_policy(rewards: Tensor, leads: Tensor, *, horizon: int) -> list[Tensor]:
    """log π_h(a | s), [e, a] for each step h = 0 … horizon − 1, of the soft-optimal policy that must have stopped by the
    horizon: `V_h(s) = log Σ_a exp(r(s, a) + V_{h+1}(s'))`, with V = 0 after a stop (Ziebart et al., AAAI 2008)."""
    goes = leads >= 0
    following = rewards.new_full((len(leads),), IMPOSSIBLE)
    found = []
    for _ in range(horizon):
        ahead = torch.where(goes, following[leads.clamp(min=0)], 0.0)
        worth = (rewards + ahead).clamp(min=IMPOSSIBLE)
        following = worth.logsumexp(1)
        found.append(worth - following[:, None])
    return found[::-1]


class PlannedLearning(Learner):
    """Learns the reward under whose soft-optimal policy the walks are likely."""

    def __init__(
        self,
        reward: MarkovReward,
        graphs: Graphs,
        walks: Sequence[Walk],
        words: Tensor,
        pace: Pace,
        *,
        horizon: int = 8,
        batch: int = 8,
        seed: int = 0,
    ) -> None:
        """`words` int64 [m, n], those of each walk."""
        super().__init__({"reward": reward}, {"reward": pace}, seed=seed)
        self.reward, self.graphs, self.walks, self.words = reward, graphs, walks, words
        self.horizon, self.batch, self.houses = horizon, batch, _houses(graphs, walks)

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        self.reward.train()
        chosen = random.integers(len(self.walks), size=self.batch).tolist()
        loss = -torch.stack([self.log_likelihood(self.walks[at], self.words[[at]]) for at in chosen]).mean()
        self.move("reward", loss)
        return {"loss": loss.item()}

    def log_likelihood(self, walk: Walk, words: Tensor) -> Tensor:
        """Of the path that was meant and a stop at its end, under the soft-optimal policy."""
        house = begun(self.houses[int(self.graphs.house[walk.start])], self.graphs, walk)
        policy = soft_policy(self.reward(house.observations, words), house.leads, horizon=self.horizon)
        state, steps = len(house.at) - 1, []
        for step, there in enumerate(walk.path[1 : self.horizon]):
            action = int(np.flatnonzero((house.at[house.leads[state]] == there) & (house.leads[state].numpy() >= 0))[0])
            steps.append(policy[step][state, action])
            state = int(house.leads[state, action])
        return torch.stack([*steps, policy[len(steps)][state, STOP]]).sum()


def begun(house: States, graphs: Graphs, walk: Walk) -> States:
    """The same states and one more, the last: where the walker stands at first, looking as the task says."""
    first = observed(graphs, np.asarray([[walk.start]]), np.asarray([walk.heading], np.float32))
    same = int(np.flatnonzero(house.at == walk.start)[0])
    return States(
        np.append(house.at, walk.start),
        torch.cat([house.leads, house.leads[same : same + 1]]),
        {name: torch.cat([values, torch.from_numpy(first[name])]) for name, values in house.observations.items()},
    )


def plan(
    reward: MarkovReward, graphs: Graphs, walks: Sequence[Walk], words: Tensor, *, horizon: int = 8
) -> NDArray[np.int64]:
    """Walk by what is likeliest at each step under the soft-optimal policy: the places of each walk, int64 [b, horizon + 1]."""
    reward.eval()
    houses = _houses(graphs, walks)
    places = np.repeat(np.asarray([walk.start for walk in walks])[:, None], horizon + 1, 1)
    for row, walk in enumerate(walks):
        house = begun(houses[int(graphs.house[walk.start])], graphs, walk)
        with torch.inference_mode():
            policy = soft_policy(reward(house.observations, words[[row]]), house.leads, horizon=horizon)
        state = len(house.at) - 1
        for step in range(horizon):
            action = int(policy[step][state].argmax())
            if action == STOP:
                break
            state = int(house.leads[state, action])
            places[row, step + 1 :] = house.at[state]
    return places


def _houses(graphs: Graphs, walks: Sequence[Walk]) -> dict[int, States]:
    return {house: states(graphs, house) for house in np.unique(graphs.house[[w.start for w in walks]]).tolist()}
