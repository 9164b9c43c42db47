"""One page out of several domains: which of them are asked, and which of their items stand where, with their sources."""

from collections.abc import Iterable, Sequence

from segue.domains import Understood
from segue.rank import share_page
from segue.records import Candidates, Result, Source

_LEAST = 0.01
"""Domains less likely than this are not asked."""


def worth_asking(understood: Sequence[Understood], *, elsewhere: bool = False) -> list[Understood]:
    """The domains that may be meant; of one that holds nothing, nothing can be asked. Not even the likeliest of them may be meant
    when a domain without a catalogue is likelier (`elsewhere`)."""
    if not understood:
        return []
    least = _LEAST if elsewhere else min(_LEAST, understood[0].hypothesis.confidence)
    return [one for one in understood if one.hypothesis.confidence >= least and len(one.catalogue)]


def make_page(
    likely: Sequence[Understood], candidates: Sequence[Sequence[Candidates]], kept: Sequence[Candidates], limit: int
) -> tuple[tuple[Result, ...], list[list[int]]]:
    """The results of all domains on one page, each with its sources; and for each domain which of its kept are on it.

    With one domain the score is what the policy gave; with several it is the bid for the place (see `share_page`).
    """
    dealt = share_page([one.hypothesis.confidence for one in likely], [found.scores for found in kept], limit)
    documents = [
        one.catalogue.documents(found.numbers[: int((dealt[:, 0] == place).sum())].tolist())
        for place, (one, found) in enumerate(zip(likely, kept, strict=True))
    ]
    sources = [_sources(lists, there) for lists, there in zip(candidates, documents, strict=True)]
    results, shown = [], [[] for _ in likely]  # type: tuple[list[Result], list[list[int]]]
    for domain, place, bid in dealt:
        at, number = int(domain), int(kept[int(domain)].numbers[int(place)])
        document = documents[at].get(number)
        if document is None:
            continue
        shown[at].append(int(place))
        results.append(
            Result(
                id=document.id,
                title=document.title,
                domain=likely[at].catalogue.domain,
                score=float(bid) if len(likely) > 1 else float(kept[at].scores[int(place)]),
                sources=sources[at][number],
                fields=document.fields(),
            )
        )
    return tuple(results), shown


def _sources(lists: Sequence[Candidates], numbers: Iterable[int]) -> dict[int, dict[str, Source]]:
    """For each of the `numbers`, in which lists it stands, at which rank and with which score."""
    sources: dict[int, dict[str, Source]] = {number: {} for number in numbers}
    for found in lists:
        for rank, (number, score) in enumerate(zip(found.numbers.tolist(), found.scores.tolist(), strict=True), 1):
            if number in sources:
                sources[number][found.strategy] = Source(rank, score)
    return sources
