"""Requests and what readers make of them, drawn from a model that is known: what is right has a probability that can be checked.

A request belongs to a domain, has an intent and one of three readings of its slots, each drawn with its probability; a reader
reports these probabilities. One that is built otherwise reports them too sure of itself, or shifted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, softmax

from segue.understand.hypotheses import (
    Floats,
    Hypotheses,
    Interpretation,
    Judged,
    Places,
    Slot,
    Utterance,
    judge,
)

_INTENTS = 3
_TEXT = "play mary poppins by disney"
_READINGS = ((0, 1), (0,), (1,))
_SPANS = ((5, 17), (21, 27))


@dataclass(frozen=True, slots=True)
class Built:
    """How a domain's reader distorts true probabilities: log-odds of the domain times `sure` plus `shift`, those of intents and
    slots raised to the power `sure`."""

    sure: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Requests, each domain's tables for them, and of every hypothesis the `truth`, how likely it was right, float64 [n]."""

    utterances: Sequence[Utterance]
    tables: Sequence[tuple[Hypotheses, Judged]]
    truth: Sequence[Floats]


def made_up(
    requests: int, domains: Mapping[str, Built], *, seed: int, best: int = 4, spread: tuple[float, float] = (2.5, 1.5)
) -> MadeUp:
    """`best` hypotheses a domain and request; `spread` says how far apart domains and readings are, larger is easier."""
    random = np.random.default_rng(seed)
    names, count = list(domains), len(domains)
    of_domain = softmax(spread[0] * random.standard_normal((requests, count)), axis=1)
    of_intent = softmax(spread[1] * random.standard_normal((requests, count, _INTENTS)), axis=2)
    of_slots = softmax(spread[1] * random.standard_normal((requests, count, len(_READINGS))), axis=2)
    meant = _drawn(of_domain, random)
    rows = np.arange(requests)
    intents, readings = (_drawn(shares[rows, meant], random) for shares in (of_intent, of_slots))
    utterances = [
        Utterance(_TEXT, names[domain], _meaning(names[domain], intent, reading))
        for domain, intent, reading in zip(meant.tolist(), intents.tolist(), readings.tolist(), strict=True)
    ]
    tables, truth = [], []
    for place, (name, built) in enumerate(domains.items()):
        table, true = _table(
            name, built, of_domain[:, place], of_intent[:, place], of_slots[:, place], best=best, random=random
        )
        tables.append((table, judge(table, utterances)))
        truth.append(true)
    return MadeUp(utterances, tables, truth)


def _table(
    name: str, built: Built, domain: Floats, intent: Floats, slots: Floats, *, best: int, random: np.random.Generator
) -> tuple[Hypotheses, Floats]:
    requests = len(domain)
    said_domain = expit(built.sure * logit(np.clip(domain, 1e-9, 1 - 1e-9)) + built.shift)
    said_intent, said_slots = (softmax(built.sure * np.log(shares), axis=1) for shares in (intent, slots))
    pairs = [(i, y) for i in range(intent.shape[1]) for y in range(slots.shape[1])]
    i, y = np.array(pairs).T
    logs = np.log(np.maximum(np.stack([said_intent[:, i], said_slots[:, y]], axis=2), 1e-12))
    order = np.argsort(-logs.sum(axis=2), axis=1, kind="stable")[:, :best]
    rows = np.arange(requests)[:, None]
    chosen = logs[rows, order].reshape(-1, 2)
    logs = np.column_stack([np.repeat(np.log(said_domain), order.shape[1]), chosen])
    true = (domain[:, None] * intent[rows, i[order]] * slots[rows, y[order]]).ravel()
    hint = np.log(true) + random.standard_normal(len(true))
    meanings = [_meaning(name, *pairs[pair]) for pair in order.ravel().tolist()]
    local = np.column_stack([hint, random.standard_normal(len(true))])
    request = np.repeat(np.arange(requests), order.shape[1])
    return Hypotheses(name, request, meanings, logs, local, ("hint", "noise")), true


def _drawn(shares: Floats, random: np.random.Generator) -> Places:
    places: Places = (shares.cumsum(axis=1) > random.random((len(shares), 1))).argmax(axis=1)
    return places


def _meaning(domain: str, intent: int, reading: int) -> Interpretation:
    slots = tuple(Slot(f"{domain} {slot}", *_SPANS[slot]) for slot in _READINGS[reading])
    return Interpretation(f"intent {intent}", slots)
