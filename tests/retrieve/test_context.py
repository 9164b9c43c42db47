"""What a selection policy looks at: finite and within bounds for whatever is asked and returned, and right where it is simple."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.encoder import Vectors
from segue.events import Event
from segue.records import Candidates, Request
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.context import (
    ITEM,
    LEVELS,
    REQUEST,
    STRATEGY,
    describe_items,
    describe_request,
    describe_strategies,
    levels,
    taken_before,
)
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query
from segue.retrieve.union import Floats, unite

ITEMS = 30
MONDAY_NOON, DAY = 1_718_020_800.0, 86_400.0  # 10 June 2024


class Flat:
    """An encoder for which all texts are the same."""

    dimensions = 4
    fingerprint = "flat"

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.array([1, 0, 0, 0], np.float32), (len(texts), 1))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("films", tmp_path_factory.mktemp("context"), Flat())
    rows = [
        {"id": str(n), "title": f"mary {n}", "genres": ["comedy", "drama"][n % 2], "year": 1960 + n, "votes": n * n}
        for n in range(ITEMS)
    ]
    opened.index(from_mappings(rows), fingerprint="1")
    yield opened.snapshot
    opened.close()


NOTHING = Memory({})


def remembering(weight: float, text: str = "comedy from 1964") -> Memory:
    """A memory of one action of this weight on one item, for one text."""
    memory = Memory({"buy": weight})
    body = {"answer": "a", "domain": "films", "item": "0", "action": "buy", "query": text}
    memory.learn(Event("e", "feedback", 0.0, body))
    return memory


def asked(text: str, context: dict[str, str] | None = None, time: float = MONDAY_NOON) -> Query:
    return Query(Request("", text, context or {}, time=time), text, Flat().encode)


def listed(catalogue: Snapshot, name: str, places: Sequence[int], scores: Sequence[float]) -> Candidates:
    return Candidates(name, catalogue.numbers[list(places)], np.array(scores, np.float32))


def of(described: Floats, name: str) -> float:
    return float(described[REQUEST.index(name)])


ODD = [
    "",
    " ",
    "\t\n",
    "🎬🍿",
    "ß" * 500,
    "mary " * 2000,
    "\0",
    "'\"\\(*:^~",
    "1995",
    "९९",
    "\u202emary",
    "e\u0301" * 50,
]
TEXTS = (
    st.sampled_from(ODD) | st.text(max_size=80) | st.lists(st.sampled_from("mary comedy from 1964 not".split())).map(" ".join)
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(text=TEXTS, taken=st.floats(0, 1000), time=st.floats(0, 4e9))
def test_a_request_is_finite_numbers_within_bounds(catalogue: Snapshot, text: str, taken: float, time: float) -> None:
    described = describe_request(asked(text, time=time), catalogue, remembering(taken, text))
    assert described.shape == (len(REQUEST),)
    assert np.isfinite(described).all()
    assert ((described >= -1) & (described <= 2)).all()
    assert (described == described.round(4)).all()


def test_what_is_said_of_a_request(catalogue: Snapshot) -> None:
    plain = describe_request(asked("mary"), catalogue, NOTHING)
    read = describe_request(asked("comedy from 1964", {"user": "ann"}), catalogue, remembering(9.0))
    assert [of(plain, name) for name in ("digits", "range", "taken before", "known person")] == [0, 0, 0, 0]
    assert [of(read, name) for name in ("digits", "range", "has values", "known person")] == [1, 1, 1, 1]
    assert of(read, "words") > of(plain, "words")
    assert of(read, "characters") > of(plain, "characters")
    assert of(read, "explained") == pytest.approx(1.0)
    assert of(read, "taken before") == pytest.approx(np.log(10) / 4, abs=1e-4)


@pytest.mark.parametrize(
    ("context", "known"),
    [({}, 0.0), ({"device": "tv"}, 0.0), ({"user": ""}, 0.0), ({"user": "ann"}, 1.0), ({"session": "s"}, 1.0)],
)
def test_whether_somebody_is_known(catalogue: Snapshot, context: dict[str, str], known: float) -> None:
    assert of(describe_request(asked("mary", context), catalogue, NOTHING), "known person") == known


WHEN = [
    ("2024-06-10T12:00:00", (0, 0, 0)),
    ("2024-06-10T16:59:59", (0, 0, 0)),
    ("2024-06-10T17:00:00+09:00", (0, 1, 0)),
    ("2024-06-15T23:59:59", (1, 1, 0)),
    ("2024-06-16", (1, 0, 0)),
    ("2024-11-19", (0, 0, 0)),
    ("2024-11-20", (0, 0, 1)),
    ("2024-12-31T20:00:00", (0, 1, 1)),
    ("2025-01-01", (0, 0, 0)),
]


@pytest.mark.parametrize(("time", "expected"), WHEN)
def test_weekend_evening_and_holidays(catalogue: Snapshot, time: str, expected: tuple[int, ...]) -> None:
    """By the clock of whoever asks, not by when the request came."""
    described = describe_request(asked("mary", {"time": time}), catalogue, NOTHING)
    assert tuple(of(described, name) for name in ("weekend", "evening", "holidays")) == expected


@pytest.mark.parametrize("time", ["", "yesterday", "2024-13-01", "25:00", "🕔", "9" * 400, "\0"])
@pytest.mark.parametrize(("days", "expected"), [(0.0, (0, 0, 0)), (5.25, (1, 1, 0)), (170.0, (0, 0, 1))])
def test_a_time_that_is_none_falls_back_to_when_the_request_came(
    catalogue: Snapshot, time: str, days: float, expected: tuple[int, ...]
) -> None:
    query = asked("mary", {"time": time}, MONDAY_NOON + days * DAY)
    described = describe_request(query, catalogue, NOTHING)
    assert tuple(of(described, name) for name in ("weekend", "evening", "holidays")) == expected


# -- lists ----------------------------------------------------------------------------------------------------------


def test_lists_of_nothing(catalogue: Snapshot) -> None:
    assert describe_strategies([], catalogue).shape == (0, len(STRATEGY))
    empty = listed(catalogue, "text", [], [])
    assert describe_strategies([empty, empty], catalogue).tolist() == [[0.0] * len(STRATEGY)] * 2
    full = listed(catalogue, "dense", [1, 2], [0.5, 0.2])
    assert describe_strategies([empty, full], catalogue)[0].tolist() == [0.0] * len(STRATEGY)


@st.composite
def some_lists(draw: st.DrawFn) -> list[tuple[list[int], list[float]]]:
    made = []
    for _ in range(draw(st.integers(1, 5))):
        places = draw(st.lists(st.integers(0, ITEMS - 1), unique=True, max_size=20))
        score = st.floats(-1, 100, width=32)
        scores = draw(st.lists(score, min_size=len(places), max_size=len(places)))
        made.append((places, sorted(scores, reverse=True)))
    return made


@settings(max_examples=100, deadline=None)
@given(drawn=some_lists())
def test_lists_are_finite_numbers_within_bounds(
    catalogue: Snapshot, drawn: list[tuple[list[int], list[float]]]
) -> None:
    """Cosines may be negative, scores may be zero."""
    found = [listed(catalogue, str(n), places, scores) for n, (places, scores) in enumerate(drawn)]
    described = describe_strategies(found, catalogue)
    assert described.shape == (len(found), len(STRATEGY))
    assert np.isfinite(described).all()
    assert ((described >= 0) & (described <= 2)).all()


def test_what_is_said_of_a_list(catalogue: Snapshot) -> None:
    one = listed(catalogue, "a", [3, 4, 5, 6], [8.0, 6.0, 4.0, 2.0])
    other = listed(catalogue, "b", [3, 4, 20, 21], [1.0, 1.0, 1.0, 1.0])
    alone = listed(catalogue, "c", [9], [0.0])
    first, second, third = describe_strategies([one, other, alone], catalogue)
    popular = catalogue.shares[[3, 4, 5]].mean()
    assert first == pytest.approx([np.log(9) / 3, 0.25, 0.75, np.log(5) / 4, 0.25, popular], abs=1e-4)
    assert second[:5] == pytest.approx([np.log(2) / 3, 0.0, 0.0, np.log(5) / 4, 0.25], abs=1e-4)
    assert third[4] == 0.0


@settings(max_examples=50, deadline=None)
@given(drawn=some_lists(), data=st.data())
def test_a_list_is_described_the_same_wherever_it_stands(
    catalogue: Snapshot, drawn: list[tuple[list[int], list[float]]], data: st.DataObject
) -> None:
    found = [listed(catalogue, str(n), places, scores) for n, (places, scores) in enumerate(drawn)]
    order = data.draw(st.permutations(range(len(found))))
    again = describe_strategies([found[place] for place in order], catalogue)
    assert (again == describe_strategies(found, catalogue)[order]).all()


# -- items ----------------------------------------------------------------------------------------------------------


def test_what_is_said_of_items(catalogue: Snapshot) -> None:
    union = unite([listed(catalogue, "a", [4, 29, 10], [3.0, 2.0, 1.0])])
    described = describe_items(union, np.array([1.0, 2.0, 3.0]), np.array([0.0, -1.0, 2.0]), catalogue)
    shares = catalogue.shares[[4, 10, 29]]
    assert described.shape == (3, len(ITEM))
    expected = np.column_stack([[1.0, 2.0, 3.0], [1 / 3, 1 / 2, 1.0], shares / shares.max(), shares, [0.0, -1.0, 2.0]])
    np.testing.assert_allclose(described, expected, atol=1e-4)


def test_items_that_nobody_knows_and_no_items(catalogue: Snapshot) -> None:
    union = unite([listed(catalogue, "a", [0], [3.0])])
    assert np.isfinite(describe_items(union, np.ones(1), np.zeros(1), catalogue)).all()
    assert describe_items(unite([]), np.zeros(0), np.zeros(0), catalogue).shape == (0, len(ITEM))


@given(popularity=st.floats(0, 1), heights=st.lists(st.floats(-3, 3), min_size=len(LEVELS), max_size=len(LEVELS)))
def test_weights_on_the_levels_are_a_piecewise_linear_curve(popularity: float, heights: list[float]) -> None:
    curve = levels(np.array([popularity])) @ np.array(heights)
    assert curve[0] == pytest.approx(np.interp(popularity, LEVELS, heights), abs=1e-9)


def test_how_items_were_taken_before(catalogue: Snapshot) -> None:
    """Each item in its place, items that are not asked about left out, 0 for those of which nothing is known."""
    memory = Memory({"click": 1.0}, examination=[1.0])
    numbers = np.array([4, 10, 29])
    ids = catalogue.ids_of([4, 10, 29, 12])
    shown = [ids[number] for number in (29, 12, 4)]
    memory.learn(Event("a", "answer", 0.0, {"shown": [["love", catalogue.domain, shown]], "results": []}))
    assert not taken_before(asked("love"), catalogue, memory, numbers).any()  # nothing was taken yet
    click = {"answer": "a", "domain": catalogue.domain, "item": ids[29], "action": "click", "query": "love"}
    memory.learn(Event("b", "feedback", 0.0, click))
    query = asked("love")
    seen = memory.remembered(catalogue.domain, "love")
    expected = [seen[ids[4]].log_rate, 0.0, seen[ids[29]].log_rate]
    assert taken_before(query, catalogue, memory, numbers).tolist() == expected
    assert expected[0] < 0 < expected[2]
    assert taken_before(query.again(), catalogue, Memory({}), numbers).tolist() == [0.0, 0.0, 0.0]
    assert taken_before(query, catalogue, memory, numbers[:0]).shape == (0,)
