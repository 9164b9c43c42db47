"""An answer by an agent: what its walk is as a result, and what the request may mean elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import groupby

from segue.records import Hypothesis, Result, Walked


def beside(first: Hypothesis, others: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
    """One hypothesis a domain: the `first` leads, and the other domains' are as likely as the request is no instruction.

    >>> [one.confidence for one in beside(Hypothesis("home", "go", {}, 0.75), [Hypothesis("films", "find", {}, 1.0)])]
    [0.75, 0.25]
    """
    rest = [
        replace(one, confidence=one.confidence * (1 - first.confidence)) for one in others if one.domain != first.domain
    ]
    return (first, *rest)


def as_result(domain: str, walked: Walked) -> Result:
    """The walk in words: "hallway → kitchen: stopped by the sink". The same way through the same house has the same id."""
    rooms = " → ".join(room for room, _ in groupby(place.room for place in walked.places))
    end = "stopped" if walked.stopped else "broken off"
    way = [domain, str(sorted(walked.house.items())), *(place.name for place in walked.places), end]
    return Result(
        id=f"walk-{sha256(' '.join(way).encode()).hexdigest()[:16]}",
        title=f"{rooms}: {end} by the {walked.near}" if walked.near else f"{rooms}: {end}",
        domain=domain,
        score=walked.likely,
        sources={},
    )
