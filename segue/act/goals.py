"""Naming what a trajectory did: a variational generator of instructions, p(G | τ), and the plain one it is compared with.

A conditional variational auto-encoder (Sohn et al., NeurIPS 2015; for goals Zhou and Small, AAAI 2021): the latent vector z
takes what a trajectory leaves open, which of the ways to say it. `ELBO = E_q(z | τ, G)[log p(G | z, τ)] − β KL(q ‖ N(0, 1))`.

`b` episodes, `t` steps, `n` words, `d` width, `l` latent numbers, `v` words of the vocabulary.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from tqdm import tqdm

from segue.act.demonstrations import Demonstrations
from segue.act.episodes import Batch, Episodes, of_actions
from segue.act.examples import Source, drawn, padded, together, trimmed
from segue.act.follower import HEADS, Look, Reader, read_both_ways
from segue.act.language import BEGIN, END, PADDING, UNKNOWN
from segue.act.learner import Learner, Pace
from segue.act.views import View


@dataclass(frozen=True, slots=True)
class Bound:
    """For each episode, [b]: `likelihood`, log p(G | z, τ) at a z of the posterior; `divergence`, KL from the prior in nats,
    with `free` of it not counted; `words`, how many words there were, the end included."""

    likelihood: Tensor
    divergence: Tensor
    words: Tensor


@dataclass(frozen=True, slots=True)
class Walked:
    """Trajectories as they are read: `steps` [b, t, d], which of these are `there`, bool [b, t], and, where scenes have parts,
    the `parts` of all steps, [b, t · k, e], and what these are `called`, [b, t · k, m]."""

    steps: Tensor
    there: Tensor
    parts: Tensor | None = None
    called: Tensor | None = None

    def repeated(self, times: int) -> "Walked":
        """Each so many times, one after another."""
        return self._of(lambda one: one.repeat_interleave(times, 0))

    def __getitem__(self, chosen: Tensor) -> "Walked":
        return self._of(lambda one: one[chosen])

    def _of(self, each: Callable[[Tensor], Tensor]) -> "Walked":
        parts = (one if one is None else each(one) for one in (self.parts, self.called))
        return Walked(each(self.steps), each(self.there), *parts)


class GoalGenerator(nn.Module):
    """p(G | z, τ) and q(z | τ, G). With `latent=0` there is no z: a plain sequence-to-sequence captioner."""

    def __init__(
        self,
        reader: Reader,
        view: View,
        *,
        width: int = 128,
        latent: int = 32,
        dropout: float = 0.3,
        unread: float = 0.25,
    ) -> None:
        """`unread` is the share of words that the decoder is not shown, so that it must ask z and the trajectory."""
        super().__init__()
        self.reader, self.view, self.width, self.latent, self.unread = reader, view, width, latent, unread
        self.way = nn.GRU(2 * width, width // 2, batch_first=True, bidirectional=True)
        self.posterior = nn.Linear(2 * width, 2 * latent) if latent else None
        self.first = nn.GRU(width + latent, width, batch_first=True)
        self.second = nn.GRU(2 * width + latent, width, batch_first=True)
        self.asks = nn.Linear(width, width)
        self.when = nn.Linear(width, view.parts) if view.parts else None
        self.looks = Look(width, view.parts, width=width) if view.parts else None
        self.reads = nn.Linear(width, HEADS) if view.parts else None
        self.says = nn.Linear(2 * width, width)
        self.bias = nn.Parameter(torch.zeros(len(reader.known)))
        self.dropout = nn.Dropout(dropout)

    def walked(self, batch: Batch) -> Walked:
        """Trajectories read both ways."""
        seen = self.view(batch.observations)
        steps = torch.cat([of_actions(seen.choices, batch.actions), seen.scene], -1)
        read = self.dropout(read_both_ways(self.way, steps, batch.steps))
        if seen.parts is None:
            return Walked(read, batch.steps)
        assert self.when is not None
        called = self.view.called(batch.observations)
        parts = (seen.parts + self.when(read)[:, :, None]).flatten(1, 2)
        return Walked(read, batch.steps, parts, None if called is None else called.flatten(1, 2))

    def inferred(self, batch: Batch, words: Tensor, *, way: Walked | None = None) -> tuple[Tensor, Tensor]:
        """q(z | τ, G): its mean and log-variance, [b, l] each."""
        assert self.posterior is not None
        way = way or self.walked(batch)
        read = self.reader(words)
        both = torch.cat([_mean(way.steps, way.there), _mean(read.vectors, read.there)], -1)
        mean, spread = self.posterior(both).chunk(2, -1)
        return mean, spread

    def bound(
        self, batch: Batch, words: Tensor, *, free: float = 0.0, generator: torch.Generator | None = None
    ) -> Bound:
        """The two terms of the ELBO for goals `words` int64 [b, n], at one sample of z. `free` nats in each of the l numbers,
        of the mean over the batch, are not counted (Kingma et al., NeurIPS 2016, eq. 15)."""
        way = self.walked(batch)
        divergence, z = words.new_zeros(len(words), dtype=torch.float32), None
        if self.posterior is not None:
            mean, spread = self.inferred(batch, words, way=way)
            z = mean + (0.5 * spread).exp() * torch.randn(mean.shape, generator=generator)
            each = 0.5 * (mean**2 + spread.exp() - 1 - spread)
            counted = each.mean(0).clamp(min=free) / each.mean(0).clamp(min=1e-9)
            divergence = (each * counted).sum(-1)
        likelihood, count = self.likelihood(way, words, z)
        return Bound(likelihood, divergence, count)

    def log_likelihood(
        self,
        batch: Batch,
        words: Tensor,
        *,
        samples: int = 32,
        generator: torch.Generator | None = None,
        draws: Tensor | None = None,
    ) -> Bound:
        """log p(G | τ) by importance sampling from the posterior (Burda et al., ICLR 2016, eq. 8); exact without z. With
        `draws` [samples, l] from the standard normal, the same ones serve every episode, whatever stands beside it."""
        way = self.walked(batch)
        if self.posterior is None:
            likelihood, count = self.likelihood(way, words, None)
            return Bound(likelihood, torch.zeros_like(likelihood), count)
        mean, spread = self.inferred(batch, words, way=way)
        found, samples = [], samples if draws is None else len(draws)
        for at in range(samples):
            noise = torch.randn(mean.shape, generator=generator) if draws is None else draws[at].expand(mean.shape)
            z = mean + (0.5 * spread).exp() * noise
            likelihood, count = self.likelihood(way, words, z)
            found.append(likelihood + 0.5 * (noise**2 + spread - z**2).sum(-1))
        return Bound(torch.stack(found).logsumexp(0) - math.log(samples), torch.zeros_like(likelihood), count)

    def say(
        self,
        batch: Batch,
        *,
        ways: int = 1,
        longest: int = 60,
        z: Tensor | None = None,
        generator: torch.Generator | None = None,
        temperature: float = 0.0,
    ) -> Tensor:
        """Name trajectories, each in so many `ways`, one after another: int64 [b · ways, n], padded. z [b · ways, l] is drawn
        from the prior where it is not given (without a generator: the prior's mean); words are the likeliest at temperature 0,
        otherwise sampled."""
        with torch.inference_mode():
            way = self.walked(batch).repeated(ways)
            if z is None and self.latent:
                shape = len(way.steps), self.latent
                z = torch.randn(shape, generator=generator) if generator else torch.zeros(shape)
            table, rows = self.reader.vectors(), torch.arange(len(way.steps))
            word, said = torch.full((len(rows), 1), BEGIN), torch.full((len(rows), longest), PADDING)
            states: tuple[Tensor, Tensor] | None = None
            for at in range(longest):
                logits, states = self._next(word, z, way, table, states)
                logits = logits[:, 0]
                logits[:, [PADDING, UNKNOWN, BEGIN]] = -torch.inf
                if not at:
                    logits[:, END] = -torch.inf
                word = _chosen(logits, temperature, generator)[:, None]
                going = word[:, 0] != END
                if not going.all():  # who has ended is not gone on with
                    rows, word, way, z = rows[going], word[going], way[going], z if z is None else z[going]
                    states = states[0][:, going], states[1][:, going]
                if not len(rows):
                    break
                said[rows, at] = word[:, 0]
        return said[:, : max(1, int((said != PADDING).sum(1).max()))]

    def likelihood(self, way: Walked, words: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor]:
        """log p(G | z, τ), [b], of a trajectory as `walked` gives it, and how many words that was of, the end included."""
        given = torch.cat([torch.full_like(words[:, :1], BEGIN), words], 1)
        wanted = torch.cat([words, torch.full_like(words[:, :1], PADDING)], 1)
        ends = (words != PADDING).sum(1)
        wanted[torch.arange(len(words)), ends] = END
        if self.training and self.unread:
            hidden = (torch.rand(given.shape, device=given.device) < self.unread) & (given > UNKNOWN) & (given != BEGIN)
            given = given.masked_fill(hidden, UNKNOWN)
        logits, _ = self._next(given, z, way, self.reader.vectors(), None)
        each = F.cross_entropy(logits.transpose(1, 2), wanted, ignore_index=PADDING, reduction="none")
        return -each.sum(1), ends + 1

    def following(self, said: Tensor, way: Walked, z: Tensor | None) -> Tensor:
        """log p of each word of the vocabulary after the words `said` int64 [b, n], [b, v]."""
        given = torch.cat([said.new_full((len(said), 1), BEGIN), said], 1)
        logits, _ = self._next(given, z, way, self.reader.vectors(), None)
        return logits[:, -1].log_softmax(-1)

    def _next(
        self,
        words: Tensor,
        z: Tensor | None,
        way: Walked,
        table: Tensor,
        states: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        vectors = self.dropout(F.embedding(words, table))
        about = [] if z is None else [z[:, None].expand(-1, words.shape[1], -1)]
        said, one = self.first(torch.cat([vectors, *about], -1), states and states[0])
        looked = F.scaled_dot_product_attention(self.asks(said), way.steps, way.steps, attn_mask=way.there[:, None])
        called = None
        if way.parts is not None:
            assert self.looks is not None
            there = way.there.repeat_interleave(way.parts.shape[1] // way.there.shape[1], 1)
            seen, called = self.looks(said, way.parts, there=there, also=way.called)
            looked = looked + seen
        said, other = self.second(torch.cat([said, looked, *about], -1), states and states[1])
        hidden = self.dropout(torch.tanh(self.says(torch.cat([said, looked], -1))))
        logits = hidden @ table.T + self.bias
        if called is not None and called.shape[-1]:
            assert self.reads is not None
            logits = logits + self.view.worded((4 * self.reads(hidden)[..., None] * called).sum(-2))
        return logits, (one, other)


class Naming(Learner):
    """Learns to name trajectories: the ELBO per word, the divergence's weight rising to 1 over the first `annealed` of the
    updates."""

    def __init__(
        self,
        goals: GoalGenerator,
        sources: Sequence[Source],
        pace: Pace,
        *,
        batch: int = 64,
        free: float = 0.05,
        annealed: float = 0.4,
        seed: int = 0,
    ) -> None:
        super().__init__({"goals": goals}, {"goals": pace}, seed=seed)
        self.goals, self.sources, self.free = goals, sources, free
        self.count = round(batch / sum(one.share for one in sources))
        self.rise = annealed * pace.updates

    def learn(self, random: np.random.Generator) -> dict[str, float]:
        examples = together(drawn(self.sources, self.count, random))
        self.goals.train()
        bound = self.goals.bound(examples.episodes.batch(), examples.words, free=self.free)
        weight = min(1.0, (self.updates + 1) / self.rise)
        loss = (weight * bound.divergence.sum() - bound.likelihood.sum()) / bound.words.sum()
        self.move("goals", loss)
        return {
            "nats a word": -bound.likelihood.sum().item() / bound.words.sum().item(),
            "divergence": bound.divergence.mean().item(),
        }


Believed = Callable[[Batch, Tensor], Tensor]
"""How far goals, int64 [b, n], are believed to be what was done, [b]: `Reward.score`, or a policy's likelihood."""


def names(
    goals: GoalGenerator,
    episodes: Episodes,
    *,
    believed: Believed | None = None,
    ways: int = 8,
    temperature: float = 0.5,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Name every episode, int64 [b, n], and say how far each name is believed, [b]: in several ways, of which the one is kept
    that is believed most; said once, and believed 0, where nobody is asked. A speaker whose candidates a listener weighs:
    Fried, Andreas and Klein, NAACL 2018.
    """
    ways = ways if believed else 1
    parts = episodes.alike(max(1, len(episodes) * ways // 512))
    found = [_said(goals, episodes[part], None, believed, ways, 1, temperature, generator) for part in parts]
    back = torch.from_numpy(np.argsort(np.concatenate(parts)))
    return padded([said[:, 0] for said, _ in found])[back], torch.cat([belief[:, 0] for _, belief in found])[back]


def rephrasings(
    goals: GoalGenerator,
    shown: Demonstrations,
    words: Tensor,
    *,
    each: int = 4,
    seed: int = 0,
    temperature: float = 0.5,
    believed: Believed | None = None,
    ways: int = 8,
    progress: bool = False,
) -> Tensor:
    """Every goal in `each` other wordings, int64 [m, each, n]: said anew at a z that the generator infers from the goal, in so
    many `ways` of which the most believed are kept where somebody is asked."""
    noise, said, ways = torch.Generator().manual_seed(seed), [], max(each, ways) if believed else each
    parts = torch.arange(len(shown)).split(max(1, 512 // ways))  # type: ignore[no-untyped-call]
    for part in tqdm(parts, desc="rephrasing", unit="batch", disable=None if progress else True):
        episodes, z = shown.episodes[shown.shown[part.numpy()]], None
        if goals.latent:
            with torch.inference_mode():
                found = goals.inferred(episodes.batch(), trimmed(words[part]))
                mean, spread = (one.repeat_interleave(ways, 0) for one in found)
                z = mean + (0.5 * spread).exp() * torch.randn(mean.shape, generator=noise)
        said.append(_said(goals, episodes, z, believed, ways, each, temperature, noise)[0].flatten(0, 1))
    return padded(said).view(len(shown), each, -1)


def _said(
    goals: GoalGenerator,
    episodes: Episodes,
    z: Tensor | None,
    believed: Believed | None,
    ways: int,
    kept: int,
    temperature: float,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """Of every episode's names in `ways` those `kept` that are believed most, best first, [b, kept, n], and how far, [b, kept];
    as many as were said, and believed 0, where nobody is asked."""
    said = goals.say(episodes.batch(), ways=ways, z=z, generator=generator, temperature=temperature)
    several = said.view(-1, ways, said.shape[1])
    if believed is None:
        return several[:, :kept], torch.zeros(len(several), kept)
    batch = episodes.batch(np.repeat(np.arange(len(episodes)), ways))
    with torch.inference_mode():
        belief, best = believed(batch, said).view(-1, ways).topk(kept, 1)
    return several.gather(1, best[:, :, None].expand(-1, -1, said.shape[1])), belief


def _mean(vectors: Tensor, there: Tensor) -> Tensor:
    return (vectors * there[..., None]).sum(1) / there.sum(1, keepdim=True)


def _chosen(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    if not temperature:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
