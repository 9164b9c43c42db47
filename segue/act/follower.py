"""A network that follows an instruction through a trajectory and gives a number to every action at every step.

The policy, the reward, the critics and the explorer are of this one kind. It reads the words, remembers the way so far, and
looks up in the words, once for the step and once for each action, what the instruction says of them.

`b` episodes, `t` steps, `a` actions, `n` words, `d` width, `o` numbers for each action.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from segue.act.episodes import of_actions
from segue.act.language import PADDING
from segue.act.views import Observations, Seen, View


@dataclass(frozen=True, slots=True)
class Instructions:
    """Words as they are read, `vectors` [b, n, d], which of them are words, `there` bool [b, n], and their numbers."""

    vectors: Tensor
    there: Tensor
    words: Tensor


class Reader(nn.Module):
    """Words → vectors in context: what is known of them before learning, projected, beside what is learned; read both ways."""

    known: Tensor

    def __init__(self, known: Tensor, *, width: int = 128, dropout: float = 0.3) -> None:
        """`known` float32 [v, e] holds a row for each word of the vocabulary, as of `language.known_vectors`."""
        super().__init__()
        self.register_buffer("known", known)
        self.projected = nn.Linear(known.shape[1], width // 2)
        self.learned = nn.Embedding(len(known), width // 2)
        nn.init.normal_(self.learned.weight, std=0.1)
        self.both_ways = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)

    def vectors(self) -> Tensor:
        """The vocabulary's vectors, [v, d]."""
        return torch.cat([self.projected(self.known), self.learned.weight], -1)

    def forward(self, words: Tensor) -> Instructions:
        """int64 [b, n], padded → read."""
        there = words != PADDING
        vectors = self.dropout(F.embedding(words, self.vectors()))
        return Instructions(self.dropout(read_both_ways(self.both_ways, vectors, there)), there, words)


def read_both_ways(network: nn.GRU, vectors: Tensor, there: Tensor) -> Tensor:
    """A bidirectional network of one layer over vectors [b, n, d], of which the first in each row are `there`, bool [b, n]: what
    is padded is not read, and 0 afterwards.

    Rows are turned round and read forwards: packed sequences cost twice the time, for each step's gradient is then spread over
    zeros of all steps.
    """
    last, at = there.sum(1, keepdim=True) - 1, torch.arange(there.shape[1], device=there.device)
    turned = (last - at).where(there, at)[..., None]
    back = vectors.gather(1, turned.expand_as(vectors))
    ways = [_read(network, one, which) for one, which in ((vectors, ""), (back, "_reverse"))]
    return torch.cat([ways[0], ways[1].gather(1, turned.expand_as(ways[1]))], -1) * there[..., None]


def _read(network: nn.GRU, vectors: Tensor, which: str) -> Tensor:
    """What a network makes of vectors in their order by the weights of one of its ways."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    empty = vectors.new_zeros(1, len(vectors), network.hidden_size)
    parameters: list[Tensor] = [network.get_parameter(name + which) for name in names]
    return torch.gru(vectors, empty, parameters, True, 1, 0.0, network.training, False, True)[0]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered between steps: the choice made last, [b, 1, d], and each block's state, [1, b, d]."""

    taken: Tensor
    blocks: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Followed:
    """`values` [b, t, a, o]; `state` [b, t, 2d], what is known after seeing a step and before acting; `choices` [b, t, a,
    d]."""

    values: Tensor
    state: Tensor
    choices: Tensor
    blocks: tuple[Tensor, ...]


class Follower(nn.Module):
    """Reader, view and memory: two recurrent blocks, each followed by a look at the words and, where a scene has parts, at these,
    the rather the more they are what the words mean; then a look for each action."""

    def __init__(
        self, reader: Reader, view: View, *, width: int = 128, blocks: int = 2, outputs: int = 1, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.reader, self.view, self.width = reader, view, width
        self.start = nn.Parameter(torch.zeros(width))
        self.history = nn.ModuleList(nn.GRU(2 * width, width, batch_first=True) for _ in range(blocks))
        self.asks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.meant = nn.Parameter(torch.randn(view.parts)) if view.parts else None
        self.looks = nn.ModuleList(Look(2 * width, view.parts, width=width) for _ in range(blocks) if view.parts)
        self.choice_asks, self.state_asks = nn.Linear(width, width), nn.Linear(width, width)
        self.of_choice, self.of_state = nn.Linear(3 * width, width), nn.Linear(2 * width, width)
        self.match_asks, self.of_match = nn.Parameter(torch.zeros(())), nn.Linear(2, width)
        self.out = nn.Linear(width, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, observations: Observations, actions: Tensor, words: Tensor) -> Followed:
        """Whole trajectories: what was done, int64 [b, t], is seen one step later; `words` int64 [b, n]."""
        read = self.reader(words)
        seen = self.view(observations)
        taken = of_actions(seen.choices, actions)
        before = torch.cat([self.start.expand(len(taken), 1, -1), taken[:, :-1]], 1)
        return self._follow(observations, seen, before, None, read)

    def begin(self, episodes: int) -> Memory:
        """Before the first step."""
        empty = self.start.new_zeros(1, episodes, self.width)
        return Memory(self.start.expand(episodes, 1, -1), tuple(empty for _ in self.history))

    def step(self, observations: Observations, memory: Memory, read: Instructions) -> Followed:
        """One step, observations {field: [b, 1, …]}."""
        return self._follow(observations, self.view(observations), memory.taken, memory.blocks, read)

    def remember(self, followed: Followed, actions: Tensor) -> Memory:
        """After taking actions, int64 [b], at the step that was followed."""
        return Memory(of_actions(followed.choices, actions[:, None]), followed.blocks)

    def _follow(
        self,
        observations: Observations,
        seen: Seen,
        before: Tensor,
        blocks: tuple[Tensor, ...] | None,
        read: Instructions,
    ) -> Followed:
        vectors, ends = torch.cat([before, seen.scene], -1), []
        parts, match = seen.parts, self.view.parts_match(observations, read.words)
        if parts is not None and match is not None and self.meant is not None:
            parts = parts + match[1][..., None] * self.meant
        for at, (history, asks) in enumerate(zip(self.history, self.asks, strict=True)):
            remembered, end = history(vectors, None if blocks is None else blocks[at])
            remembered = self.dropout(remembered)
            ends.append(end)
            now = attention(asks(remembered), read)
            vectors = torch.cat([remembered, now @ read.vectors], -1)
            if parts is not None:
                met = None if match is None else torch.stack([(match[0] @ now[..., None]).squeeze(-1), match[1]], -1)
                looked, _ = self.looks[at](vectors[:, :, None], parts, met=met)
                remembered = remembered + self.dropout(looked[:, :, 0])
                vectors = torch.cat([remembered, now @ read.vectors], -1)
        values = self._values(observations, seen.choices, remembered, vectors, now, read)
        return Followed(values, vectors, seen.choices, tuple(ends))

    def _values(
        self,
        observations: Observations,
        choices: Tensor,
        remembered: Tensor,
        vectors: Tensor,
        now: Tensor,
        read: Instructions,
    ) -> Tensor:
        """[b, t, a, o]: what an action is, what the words say of it, and how far what is seen there is what they speak of."""
        open_ = observations["choices"]
        step = open_.flatten(0, 1).nonzero()[:, 0]
        taken = choices[open_]
        asked = torch.zeros_like(choices)
        asked[open_] = self.choice_asks(taken) + self.state_asks(remembered).flatten(0, 1)[step]
        matches = self.view.matches(observations, read.words)
        bias = None if matches is None else (self.match_asks * matches).flatten(1, 2)
        looks = attention(asked.flatten(1, 2), read, bias)
        told = (looks @ read.vectors).view_as(choices)[open_]
        hidden = self.of_choice(torch.cat([taken, told, taken * told], -1)) + self.of_state(vectors).flatten(0, 1)[step]
        if matches is not None:
            met = torch.stack([looks.view_as(matches), now[:, :, None].expand_as(matches)], -2) @ matches[..., None]
            hidden = hidden + self.of_match(met[open_].squeeze(-1))
        made = self.out(self.dropout(F.relu(hidden)))
        values: Tensor = made.new_zeros(*open_.shape, made.shape[-1])
        values[open_] = made
        return values


HEADS = 4
"""In how many places at once one looks."""


class Look(nn.Module):
    """Looks at parts of what is seen, in several places at once; all heads share the parts as keys and values (Shazeer, 2019)."""

    def __init__(self, asked: int, parts: int, *, width: int) -> None:
        super().__init__()
        self.asks, self.says = nn.Linear(asked, HEADS * parts), nn.Linear(HEADS * parts, width)
        self.meets = nn.Parameter(torch.tensor([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0], [4.0, 4.0]]))

    def forward(
        self,
        asked: Tensor,
        parts: Tensor,
        *,
        there: Tensor | None = None,
        met: Tensor | None = None,
        also: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Asked [..., q, d'], parts [..., k, e], of which those are looked at that are `there`, bool [..., k], or the rather the
        more they are `met`, [..., k, 2], by what is asked for now and at all → what is seen [..., q, d], and the mean that each
        head sees of what is `also` there, [..., k, m] → [..., q, h, m]."""
        queries = self.asks(asked).unflatten(-1, (-1, parts.shape[-1]))
        mask = None if there is None else there[..., None, :]
        if met is not None:
            mask = (met @ self.meets.T).transpose(-1, -2).repeat(*[1] * (met.dim() - 2), asked.shape[-2], 1)
        values = parts if also is None else torch.cat([parts, also], -1)
        looked = F.scaled_dot_product_attention(queries.flatten(-3, -2), parts, values, attn_mask=mask)
        seen, others = looked.reshape(*queries.shape[:-1], -1).tensor_split([parts.shape[-1]], -1)
        return self.says(seen.flatten(-2)), others


def attention(asked: Tensor, read: Instructions, bias: Tensor | None = None) -> Tensor:
    """Where in the words to look: asked [b, q, d], bias [b, q, n] → shares [b, q, n], none of them of padding."""
    scores: Tensor = asked @ read.vectors.transpose(1, 2) / asked.shape[-1] ** 0.5
    scores = scores if bias is None else scores + bias
    return scores.masked_fill(~read.there[:, None], -torch.inf).softmax(-1)
