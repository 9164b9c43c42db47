"""Merging is sorting: against a sort of lists, and what is decided on top of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import InvalidInput
from segue.understand.hypotheses import Floats, Hypotheses, Interpretation
from segue.understand.merging import Decision, decide, merge

Table = tuple[Hypotheses, Floats]


def table(domain: str, rows: list[tuple[int, float]]) -> Table:
    rows = sorted(rows, key=lambda row: row[0])
    request = np.array([row[0] for row in rows], dtype=np.int64)
    empty = np.zeros((len(rows), 3))
    made = Hypotheses(domain, request, [Interpretation("play")] * len(rows), empty, empty[:, :0])
    return made, np.array([row[1] for row in rows], dtype=np.float64)


hypotheses = st.tuples(st.integers(0, 4), st.integers(0, 4).map(lambda value: value / 4))
stores = st.dictionaries(st.sampled_from(["songs", "films", "books"]), st.lists(hypotheses, max_size=12), max_size=3)


@settings(max_examples=150, deadline=None)
@given(stores)
def test_merged_is_sorted(store: dict[str, list[tuple[int, float]]]) -> None:
    tables = [table(domain, rows) for domain, rows in store.items()]
    merged = merge(tables, requests=5)
    for request in range(5):
        expected: list[Any] = sorted(
            (-confidence, made.domain, place)
            for made, confidences in tables
            for place, (one, confidence) in enumerate(zip(made.request.tolist(), confidences.tolist(), strict=True))
            if one == request
        )
        rows = slice(*merged.starts[request : request + 2].tolist())
        names = [merged.domains[domain] for domain in merged.domain[rows].tolist()]
        found = list(zip((-merged.confidence[rows]).tolist(), names, merged.place[rows].tolist(), strict=True))
        assert found == expected
        values = [-row[0] for row in expected]
        assert merged.confidences(0)[request] == (values[0] if values else 0)
        assert merged.confidences(1)[request] == (values[1] if len(values) > 1 else 0)
        assert merged.margin[request] == merged.confidences(0)[request] - merged.confidences(1)[request]
        assert merged.rejection[request] == 1 - merged.confidences(0)[request]
        assert merged.nobody[request] == pytest.approx(np.prod([1 - value for value in values]))
        assert (merged.best()[request] >= 0) == bool(expected)
    backwards = merge(tables[::-1], requests=5)
    assert [backwards.domains[place] for place in backwards.domain] == [
        merged.domains[place] for place in merged.domain
    ]


def test_decisions() -> None:
    films = table("films", [(0, 0.9), (1, 0.5), (2, 0.1), (4, 0.5)])
    books = table("books", [(0, 0.1), (1, 0.4), (2, 0.05)])
    merged = merge([films, books], requests=5)
    clear, ask, nobodys = Decision.CLEAR, Decision.ASK, Decision.NOBODYS
    assert decide(merged).tolist() == [clear, ask, nobodys, nobodys, clear]
    assert decide(merged, least=0.05, close=0).tolist() == [clear, clear, clear, nobodys, clear]
    assert decide(merged, least=0.6).tolist() == [clear, nobodys, nobodys, nobodys, nobodys]


def test_how_many_requests_there_are() -> None:
    assert len(merge([table("films", [(3, 0.5)])]).starts) == 5
    assert merge([], requests=2).best().tolist() == [-1, -1]
    assert merge([]).starts.tolist() == [0]


def test_what_cannot_be_merged_is_refused() -> None:
    films = table("films", [(3, 0.5)])
    with pytest.raises(InvalidInput, match="twice"):
        merge([films, films])
    with pytest.raises(InvalidInput, match="request 3, of 2"):
        merge([films], requests=2)
    with pytest.raises(InvalidInput, match="shape"):
        merge([(films[0], np.zeros(2))])
    with pytest.raises(InvalidInput, match="a number for each"):
        merge([(films[0], np.array([np.nan]))])
