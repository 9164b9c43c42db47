"""What came of requests after all domains were merged, and how sure the difference between two ways to merge is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segue.errors import InvalidInput
from segue.understand.hypotheses import Flags, Floats, Hypotheses, Interpretation, Places, Utterance, semantic_errors
from segue.understand.merging import Merged

_BINS = 10
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The most confident hypothesis of each of r requests beside what was meant, [r] each: is the `domain` right, is all of it
    (`right`), `errors` as `semantic_errors` counts them, `slots` of the reference, and the `confidence`."""

    domain: Flags
    right: Flags
    errors: Places
    slots: Places
    confidence: Floats


def outcomes(merged: Merged, tables: Sequence[Hypotheses], utterances: Sequence[Utterance]) -> Outcomes:
    """Judge what was merged from `tables`, in the same order, for these `utterances`.

    In another domain every intent is another intent, even one of the same name; its slots are aligned as ever. A request
    without any hypothesis has all its parts wrong, with confidence 0.
    """
    if len(utterances) != len(merged.starts) - 1:
        raise InvalidInput(f"{len(merged.starts) - 1} requests were merged, and {len(utterances)} are labelled.")
    best = merged.best()
    errors = np.array(
        [_errors(merged, tables, at, said) for at, said in zip(best.tolist(), utterances, strict=True)], dtype=np.int64
    )
    named = np.array([merged.domains[merged.domain[at]] if at >= 0 else "" for at in best.tolist()], dtype=object)
    domain = (best >= 0) & (named == np.array([said.domain for said in utterances], dtype=object))
    slots = np.array([len(said.meaning.slots) for said in utterances], dtype=np.int64)
    return Outcomes(domain, domain & (errors == 0), errors, slots, merged.confidences())


def errors_elsewhere(guess: Interpretation, reference: Interpretation) -> int:
    """Semantic errors of a guess of another domain: its intent is wrong, whatever it is called."""
    return 1 + semantic_errors(replace(guess, intent=reference.intent), reference)


def errors_everywhere(hypotheses: Hypotheses, utterances: Sequence[Utterance]) -> Floats:
    """SemER of each hypothesis, also of those for other domains' requests, float64 [n]: what the joint ceiling learns from."""
    said = [utterances[place] for place in hypotheses.request.tolist()]
    return np.array(
        [
            (semantic_errors if one.domain == hypotheses.domain else errors_elsewhere)(guess, one.meaning)
            / (1 + len(one.meaning.slots))
            for guess, one in zip(hypotheses.meanings, said, strict=True)
        ],
        dtype=np.float64,
    )


def pooled(parts: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of several folds as those of one."""
    return Outcomes(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Outcomes.__dataclass_fields__)
    )


def figures(found: Outcomes) -> dict[str, float]:
    """Domain accuracy and its complement, interpretation error, SemER (all errors / all denominators), and expected calibration
    error and Brier score of the confidence that all of it is right."""
    return {name: float(value[0]) for name, value in _figures(_sums(found).sum(axis=0)[None]).items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """Between a `baseline` and what is `new`: new − baseline with its 95 % interval; and new / baseline − 1 with its own."""

    baseline: float
    new: float
    difference: float
    interval: tuple[float, float]
    relative: float
    relative_interval: tuple[float, float]


def compared(
    baseline: Outcomes, new: Outcomes, *, seed: int, rounds: int = 1000, groups: Places | None = None
) -> dict[str, Difference]:
    """Paired bootstrap, each measure of `figures`: over requests, or, where some belong together as those of a dialogue do, over
    `groups` int64 [r], numbered from 0. Raises `InvalidInput` for other numbers of requests.

    Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), percentile intervals.
    """
    if len(baseline.right) != len(new.right) or not len(new.right):
        raise InvalidInput(f"{len(baseline.right)} and {len(new.right)} requests.", expected="the same, at least one")
    old_sums, new_sums = (_grouped(_sums(one), groups) for one in (baseline, new))
    drawn_old, drawn_new = (_figures(_drawn(sums, seed, rounds)) for sums in (old_sums, new_sums))
    old_values, new_values = figures(baseline), figures(new)
    return {
        name: _difference(old_values[name], new_values[name], drawn_old[name], drawn_new[name]) for name in new_values
    }


def _errors(merged: Merged, tables: Sequence[Hypotheses], at: int, said: Utterance) -> int:
    if at < 0:
        return 1 + len(said.meaning.slots)
    table = tables[merged.domain[at]]
    guess = table.meanings[merged.place[at]]
    return (semantic_errors if table.domain == said.domain else errors_elsewhere)(guess, said.meaning)


def _sums(found: Outcomes) -> Floats:
    """What every figure is a function of the sums of: float64 [r, 6 + bins]."""
    place = np.minimum((found.confidence * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.zeros((len(place), _BINS))
    gaps[np.arange(len(place)), place] = found.confidence - found.right
    squares = (found.confidence - found.right) ** 2
    plain = (np.ones(len(place)), found.domain, found.right, found.errors, 1 + found.slots, squares)
    return np.column_stack([*plain, gaps])


def _figures(sums: Floats) -> dict[str, Floats]:
    """From sums [rounds, 6 + bins]."""
    count, domain, right, errors, parts, squares = sums[:, :6].T
    return {
        "domain accuracy": domain / count,
        "domain error": 1 - domain / count,
        "interpretation error": 1 - right / count,
        "semantic error": errors / parts,
        "calibration error": np.abs(sums[:, 6:]).sum(axis=1) / count,
        "brier": squares / count,
    }


def _grouped(sums: Floats, groups: Places | None) -> Floats:
    """Of each group what its requests come to."""
    if groups is None:
        return sums
    together = np.zeros((int(groups.max()) + 1, sums.shape[1]))
    np.add.at(together, groups, sums)
    return together


def _drawn(sums: Floats, seed: int, rounds: int) -> Floats:
    """Sums over as many rows drawn with replacement, `rounds` times; the same rows for the same seed."""
    random = np.random.default_rng(seed)
    chances = np.full(len(sums), 1 / len(sums))
    batches = [min(_BATCH, rounds - done) for done in range(0, rounds, _BATCH)]
    return np.concatenate([random.multinomial(len(sums), chances, size=size) @ sums for size in batches])


def _difference(old: float, new: float, drawn_old: Floats, drawn_new: Floats) -> Difference:
    least = 1e-12
    relative = drawn_new / np.maximum(drawn_old, least) - 1
    return Difference(
        old, new, new - old, _interval(drawn_new - drawn_old), new / max(old, least) - 1, _interval(relative)
    )


def _interval(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return low, high


def confusion(
    found: Merged, utterances: Sequence[Utterance], *, least: float = 0.0
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of domains, and how many requests for the domain of each row went to that of each column, int64 [d, d]. Last stands
    "other": requests for other domains, or for none; and those of which no hypothesis is likelier right than `least`."""
    names, meant, went = journeys(found, utterances, least=least)
    counts = np.bincount(meant * len(names) + went, minlength=len(names) ** 2)
    return names, counts.reshape(len(names), len(names))


def journeys(
    found: Merged, utterances: Sequence[Utterance], *, least: float = 0.0
) -> tuple[tuple[str, ...], Places, Places]:
    """What `confusion` counts: the names, and for each request the places of the domain it was meant for and of that it went to,
    int64 [r] both."""
    names = (*sorted(found.domains), "other")
    at = {name: place for place, name in enumerate(names)}
    meant = np.array([at.get(said.domain, len(names) - 1) for said in utterances], dtype=np.int64)
    place = np.array([at[name] for name in found.domains] + [len(names) - 1], dtype=np.int64)
    best = np.where(found.confidences() < least, -1, found.best())
    return names, meant, place[np.where(best >= 0, np.append(found.domain, -1)[best], -1)]
