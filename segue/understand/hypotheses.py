"""What readers make of requests, and what was right: the tables that readers fill and re-rankers learn from.

A domain's reader turns a request into its n best hypotheses, each an intent and slots with three probabilities. Every
domain has tables of its own, so that a re-ranker can be fitted from one domain's alone.

Source: Su, Gupta, Ananthakrishnan and Matsoukas, "A Re-ranker Scheme for Integrating Large Scale NLU Models" (SLT 2018),
section 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOBODY = "nobody"
"""The domain of labelled requests that are for none: it has no reader; every domain's learns from them what it is not."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A piece of a request's text and what it is: `text[start:end]` is of the kind `name`. Offsets are characters."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What a request may mean in a domain: what is wanted (`intent`) and of what (`slots`, by their start, not overlapping)."""

    intent: str
    slots: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True)
class Utterance:
    """A labelled request: the `text`, said in a `context`, is meant for `domain` and means `meaning` there."""

    text: str
    domain: str
    meaning: Interpretation
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """What one domain's reader makes of r requests: n hypotheses in all.

    `request` int64 [n] is the place of the request that each reads, ascending; those of one request stand best first by the
    product of their probabilities. `logs` float64 [n, 3] holds log p_D(d | u), log p_I(i | u, d) and log p_S(y | u, d); an
    exact zero is not allowed. `local` float64 [n, f] holds features that need nothing from outside the domain; `names` says
    what its columns are.
    """

    domain: str
    request: Places
    meanings: Sequence[Interpretation]
    logs: Floats
    local: Floats
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.request)


def together(parts: Sequence[tuple[Places, Hypotheses]]) -> Hypotheses:
    """Tables of one domain over different requests as one table. Of each part, int64 [r] says which request its request 0, 1, …
    is from now on.

    >>> table = Hypotheses("films", np.array([0]), [Interpretation("play")], np.zeros((1, 3)), np.zeros((1, 0)))
    >>> together([(np.array([4]), table), (np.array([2]), table)]).request.tolist()
    [2, 4]
    """
    request = np.concatenate([places[table.request] for places, table in parts])
    meanings = [meaning for _, table in parts for meaning in table.meanings]
    order = np.argsort(request, kind="stable")
    first = parts[0][1]
    return Hypotheses(
        first.domain,
        request[order],
        [meanings[place] for place in order.tolist()],
        np.concatenate([table.logs for _, table in parts])[order],
        np.concatenate([table.local for _, table in parts])[order],
        first.names,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """Hypotheses beside what was right. `own` bool [n]: the request was meant for this domain. `right` bool [n]: it was, and
    the hypothesis is right in every part. `errors` and `slots` int64 [n]: wrong intent plus slots substituted, inserted and
    left out, and how many slots the reference has; of a request for another domain both are 0 and mean nothing."""

    own: Flags
    right: Flags
    errors: Places
    slots: Places

    @property
    def semantic_error(self) -> Floats:
        """SemER of each hypothesis, float64 [n]: errors / (1 + slots of the reference)."""
        rate: Floats = self.errors / (1 + self.slots)
        return rate


def semantic_errors(guess: Interpretation, reference: Interpretation) -> int:
    """Wrong intent + slots substituted, inserted and left out, by the alignment with the fewest errors.

    Slots are aligned in order. A guessed slot matches a reference slot of the same name and span; another one that is
    aligned with it counts as one substitution.

    >>> play = Interpretation("play", (Slot("title", 5, 17), Slot("artist", 21, 26)))
    >>> semantic_errors(play, play), semantic_errors(Interpretation("play", play.slots[:1]), play)
    (0, 1)
    >>> semantic_errors(Interpretation("find", (Slot("title", 5, 12), Slot("artist", 21, 26))), play)
    2
    """
    row = list(range(len(reference.slots) + 1))
    for place, slot in enumerate(guess.slots, 1):
        before, row = row, [place]
        for at, right in enumerate(reference.slots, 1):
            row.append(min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (slot != right)))
    return row[-1] + (guess.intent != reference.intent)


def judge(hypotheses: Hypotheses, utterances: Sequence[Utterance]) -> Judged:
    """Hypotheses beside the `utterances` that their `request` counts from 0."""
    said = [utterances[place] for place in hypotheses.request.tolist()]
    own = np.array([one.domain == hypotheses.domain for one in said], dtype=bool)
    errors = np.array(
        [
            semantic_errors(guess, one.meaning) if mine else 0
            for guess, one, mine in zip(hypotheses.meanings, said, own, strict=True)
        ],
        dtype=np.int64,
    )
    slots = np.array(
        [len(one.meaning.slots) if mine else 0 for one, mine in zip(said, own, strict=True)], dtype=np.int64
    )
    return Judged(own, own & (errors == 0), errors, slots)
