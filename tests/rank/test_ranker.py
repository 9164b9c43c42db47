"""The ranker: its features by hand, what it learns from pages whose truth is known, and rankers that must be refused."""

import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue import artifact
from segue.errors import Corrupt, InvalidInput, Unavailable
from segue.rank import ranker as module
from segue.rank.features import Features
from segue.rank.ranker import LiveRankers, Page, Ranker, part, train
from segue.store import Store

FEATURES = Features(
    ("text", "title", "memory"),
    request=("words", "digits"),
    lists=("top score", "results"),
    items=("incumbent", "popularity"),
)


def logged(
    ranks: list[list[int]], *, reserved: int = -1, trusted: tuple[str, ...] = ("text", "memory")
) -> dict[str, Any]:
    """What a policy logs of so many kept items; the shares are one over the rank."""
    return {
        "query": "love",
        "context": [0.5, 1.0],
        "lists": {name: [0.3, 0.1 * place] for place, name in enumerate(trusted, 1)},
        "trusted": list(trusted),
        "ranks": ranks,
        "shares": [[1 / rank if rank else 0.0 for rank in row] for row in ranks],
        "items": [[0.2 / place, 0.1 * place] for place in range(1, len(ranks) + 1)],
        "reserved": reserved,
    }


def by_name(rows: np.ndarray) -> dict[str, list[float]]:
    return dict(zip(FEATURES.names, rows.T.round(4).tolist(), strict=True))


# -- features -------------------------------------------------------------------------------------------------------


def test_features_by_hand() -> None:
    rows = FEATURES.rows(logged([[1, 0], [4, 2]]))
    assert rows.dtype == np.float32
    assert rows.shape == (2, len(FEATURES.names)) == (2, len(FEATURES.part_of))
    assert by_name(rows) == {
        "text: 1 / rank": [1, 0.25],
        "title: 1 / rank": [0, 0],
        "memory: 1 / rank": [0, 0.5],
        "text: share of its best score": [1, 0.25],
        "title: share of its best score": [0, 0],
        "memory: share of its best score": [0, 0.5],
        "agreement: lists that hold it": [1, 2],
        "agreement: best rank": [1, 0.5],
        "agreement: sum over ranks": [1, 0.75],
        "item: incumbent": [pytest.approx(0.2), pytest.approx(0.1)],
        "item: popularity": [pytest.approx(0.1), pytest.approx(0.2)],
        "item: incumbent, share of the page's highest": [1, 0.5],
        "item: popularity, share of the page's highest": [0.5, 1],
        "request: words": [0.5, 0.5],
        "request: digits": [1, 1],
        "text: top score of its list": [pytest.approx(0.3)] * 2,
        "text: results of its list": [pytest.approx(0.1)] * 2,
        "title: top score of its list": [0, 0],
        "title: results of its list": [0, 0],
        "memory: top score of its list": [pytest.approx(0.3)] * 2,
        "memory: results of its list": [pytest.approx(0.2)] * 2,
    }


def test_every_column_belongs_to_a_part() -> None:
    parts = [FEATURES.parts[place] for place in FEATURES.part_of]
    assert parts == [name.split(":")[0] for name in FEATURES.names]
    assert set(parts) == set(FEATURES.parts)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=20),
    st.permutations(range(20)),
)
def test_the_order_of_rows_and_of_strategies_does_not_matter(ranks: list[tuple[int, int]], order: list[int]) -> None:
    learning = logged([list(row) for row in ranks])
    rows = FEATURES.rows(learning)
    assert rows.shape == (len(ranks), len(FEATURES.names))
    shuffled = [place for place in order if place < len(ranks)]
    moved = {name: [learning[name][place] for place in shuffled] for name in ("ranks", "shares", "items")}
    np.testing.assert_array_equal(FEATURES.rows(learning | moved), rows[shuffled])
    turned = {name: [row[::-1] for row in learning[name]] for name in ("ranks", "shares")}
    np.testing.assert_array_equal(FEATURES.rows(learning | turned | {"trusted": learning["trusted"][::-1]}), rows)


def test_nothing_found_and_strategies_of_another_version() -> None:
    assert FEATURES.rows(logged([], trusted=())).shape == (0, len(FEATURES.names))
    unknown = FEATURES.rows(logged([[1], [2]], trusted=("telepathy",)))
    assert not unknown[:, :9].any()
    some = logged([[3, 1], [0, 2]], trusted=("telepathy", "title"))
    assert by_name(FEATURES.rows(some))["title: 1 / rank"] == [1, 0.5]
    assert by_name(FEATURES.rows(some))["agreement: lists that hold it"] == [1, 1]


# -- learning -------------------------------------------------------------------------------------------------------


def pages(count: int, *, eta: float, seed: int = 0) -> list[Page]:
    """Pages of six on which the item that memory put first is wanted, at random places; place r is looked at with r^−eta. Text
    says nothing."""
    random = np.random.default_rng(seed)
    made = list[Page]()
    while len(made) < count:
        wanted = int(random.integers(6))
        text, memory = random.permutation(6) + 1, np.where(np.arange(6) == wanted, 1, 2)
        learning = logged(np.column_stack([text, memory]).tolist())
        learning["items"] = np.column_stack([random.random(6), random.random(6)]).tolist()
        looked = random.random(6) < np.arange(1.0, 7.0) ** -eta
        taken = looked & (random.random(6) < np.where(np.arange(6) == wanted, 0.9, 0.1))
        if taken.any():
            rows = FEATURES.rows(learning)
            made.append(Page(f"query {len(made)}", float(len(made)), rows, np.arange(1, 7), taken))
    return made


def best(page: Page) -> int:
    return int(page.rows[:, FEATURES.names.index("memory: 1 / rank")].argmax())


@pytest.mark.parametrize("debiasing", ["none", "position", "inverse propensity"])
def test_what_people_want_is_put_first(debiasing: module.Debiasing) -> None:
    learned = train(FEATURES, pages(600, eta=0.5), debiasing=debiasing, examined=np.arange(1.0, 7.0) ** -0.5)
    right = [int(learned.scores(page.rows).argmax()) == best(page) for page in pages(100, eta=0.5, seed=1)]
    assert np.mean(right) > 0.95
    assert next(iter(learned.importances())).startswith("memory")
    assert sum(learned.importances().values()) == pytest.approx(1)


def confounded(count: int, seed: int) -> list[Page]:
    """Pages in the order of a worthless strategy, text: all items are as good, and only places decide what is taken."""
    random = np.random.default_rng(seed)
    made = list[Page]()
    while len(made) < count:
        ranks = np.arange(1, 7)
        swapped = random.integers(5)
        ranks[[swapped, swapped + 1]] = ranks[[swapped + 1, swapped]]
        taken = random.random(6) < 0.6 / np.arange(1, 7)
        if taken.any():
            rows = FEATURES.rows(
                logged(np.column_stack([ranks, np.zeros(6, int)]).tolist()) | {"items": [[0.0, 0.0]] * 6}
            )
            made.append(Page(f"query {len(made)}", float(len(made)), rows, np.arange(1, 7), taken))
    return made


@pytest.mark.parametrize("debiasing", ["position", "inverse propensity"])
def test_a_place_is_not_taken_for_a_merit(debiasing: module.Debiasing) -> None:
    """A click at its word says that what text puts first is best; with the bias taken off, much less so."""
    seen, page = confounded(2000, 0), confounded(1, 1)[0]
    spreads = {
        name: float(np.ptp(train(FEATURES, seen, debiasing=name, examined=1 / np.arange(1, 7)).scores(page.rows)))
        for name in ("none", debiasing)
    }
    assert spreads[debiasing] < 0.5 * spreads["none"]


def test_each_click_is_a_page_of_its_own() -> None:
    page = pages(1, eta=0)[0]
    two = Page("two", 0.0, page.rows, np.array([1, 3, 4, 7, 9, 30]), np.array([0, 1, 0, 0, 0, 1], dtype=bool))
    single, weights = module._one_click_each([two], np.array([0.5]), np.array([1.0, 0.8, 0.5, 0.25, 0.01]))
    np.testing.assert_allclose(
        weights, [0.5 / 0.5, 0.5 * 10]
    )  # place 3; beyond the curve its last place counts, clipped
    assert [one.positions.tolist() for one in single] == [[1, 3, 4, 7, 9], [1, 4, 7, 9, 30]]
    assert [one.taken.tolist() for one in single] == [[False, True, False, False, False], [False] * 4 + [True]]
    np.testing.assert_array_equal(single[1].rows, page.rows[[0, 2, 3, 4, 5]])


def test_repeats_count_less_and_less() -> None:
    page = pages(1, eta=0)[0]
    asked = [Page(query, 0.0, page.rows, page.positions, page.taken) for query in ("a", "b", "a", "a", "b")]
    assert module._repeats(asked).tolist() == pytest.approx([1, 1, 2**-0.5, 3**-0.5, 2**-0.5])


def test_the_same_pages_and_seed_make_the_same_trees() -> None:
    seen = pages(200, eta=1)
    assert train(FEATURES, seen, seed=3).model == train(FEATURES, seen, seed=3).model
    assert train(FEATURES, seen, seed=3).model != train(FEATURES, seen, seed=4).model
    ticks = list[int]()
    train(FEATURES, seen, progress=lambda: ticks.append(1))
    assert len(ticks) == module._TREES


def test_what_cannot_be_learned_from() -> None:
    with pytest.raises(InvalidInput, match="no pages"):
        train(FEATURES, [])
    with pytest.raises(InvalidInput, match="examined="):
        train(FEATURES, pages(1, eta=1), debiasing="inverse propensity")
    few = train(
        FEATURES, pages(3, eta=1)
    )  # too few for a single split: it says nothing, and everything stays where it is
    assert few.scores(pages(1, eta=1)[0].rows).tolist() == [0.0] * 6
    assert few.importances() == {}


# -- serving --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned() -> Ranker:
    return train(FEATURES, pages(400, eta=0.5), meta={"pages": 400})


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=20))
def test_contributions_add_up_to_the_score(learned: Ranker, ranks: list[tuple[int, int]]) -> None:
    rows = FEATURES.rows(logged([list(row) for row in ranks]))
    contributions = learned.contributions(rows)
    assert contributions.shape == (len(ranks), len(FEATURES.parts) + 1)
    np.testing.assert_allclose(contributions.sum(axis=1), learned.scores(rows), atol=1e-9)
    if len(ranks):
        assert np.ptp(contributions[:, -1]) == 0  # what every item gets


def test_written_and_opened_it_is_the_same(learned: Ranker, tmp_path: Path) -> None:
    written = learned.write(tmp_path / "one", name="one", parent="abc")
    opened = Ranker.open(written.folder)
    assert opened.features == FEATURES
    assert opened.meta["pages"] == 400
    assert opened.meta["debiasing"] == "position"
    assert written.parent == "abc"
    rows = pages(1, eta=1)[0].rows
    np.testing.assert_array_equal(opened.scores(rows), learned.scores(rows))
    with pytest.raises(InvalidInput, match="never changed"):
        learned.write(tmp_path / "one", name="one")


def test_damaged_rankers_are_named(learned: Ranker, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Corrupt, match="trees cannot be read"):
        Ranker(FEATURES, "no trees at all")
    other = Features(("text",), FEATURES.request, FEATURES.lists, FEATURES.items)
    with pytest.raises(InvalidInput, match="do not fit"):
        Ranker(other, learned.model)
    nameless = artifact.write(tmp_path / "two", kind=module.KIND, name="two", files={"model.txt": b"tree"})
    with pytest.raises(Corrupt, match="does not name its features"):
        Ranker.open(nameless.folder)
    written = learned.write(tmp_path / "three", name="three")
    written.path("model.txt").write_text(learned.model.replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(Corrupt, match=r"model\.txt"):
        Ranker.open(written.folder)


def test_without_lightgbm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise OSError("libgomp.so.1: cannot open shared object file")

    module.library.cache_clear()
    monkeypatch.setattr("importlib.import_module", missing)
    try:
        with pytest.raises(Unavailable, match=r"libgomp\.so\.1.*apt-get install libgomp1"):
            train(FEATURES, pages(1, eta=1))
    finally:
        module.library.cache_clear()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store.open(tmp_path / "store")
    folder = opened.domain("films")
    folder.mkdir(parents=True)
    (folder / "items.sqlite").touch()
    return opened


def live(store: Store, ranker: Ranker, name: str) -> None:
    folder = store.artifacts / name
    ranker.write(folder, name=name)
    store.go_live(part("films"), folder)


def test_a_ranker_goes_live_and_back(store: Store, learned: Ranker) -> None:
    rankers = LiveRankers(store, FEATURES)
    learning = logged([[1, 2], [2, 1], [3, 2]])
    assert rankers.rank("films", learning) is None
    live(store, learned, "first")
    assert rankers.rank("films", learning) is None  # until it looks again
    rankers.refresh()
    found = rankers.rank("films", learning)
    assert found is not None
    assert found.by == "first"
    assert found.order[0] == 1
    assert sorted(found.order.tolist()) == [0, 1, 2]
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_allclose(found.scores, learned.scores(FEATURES.rows(learning))[found.order])
    np.testing.assert_allclose(found.contributions.sum(axis=1), found.scores, atol=1e-9)
    assert len(found.parts) == found.contributions.shape[1]
    assert rankers.rank("books", learning) is None
    assert rankers.rank("films", {}) is None  # a policy that logs nothing
    (store.folder / "live.json").write_text("{}")
    rankers.refresh()
    assert rankers.rank("films", learning) is None


@pytest.mark.parametrize("reserved", [0, 1, 2, 3])
def test_a_reserved_place_keeps_its_item(store: Store, learned: Ranker, reserved: int) -> None:
    live(store, learned, "first")
    rankers = LiveRankers(store, FEATURES)
    ranks = [[1, 2], [2, 2], [3, 1], [4, 2]]
    free, held = rankers.rank("films", logged(ranks)), rankers.rank("films", logged(ranks, reserved=reserved))
    assert free is not None
    assert held is not None
    assert held.order[reserved] == reserved
    others = [row for row in free.order.tolist() if row != reserved]
    assert [row for row in held.order.tolist() if row != reserved] == others


def test_a_ranker_of_other_strategies_is_refused(
    store: Store, learned: Ranker, caplog: pytest.LogCaptureFixture
) -> None:
    live(store, learned, "first")
    more = Features((*FEATURES.strategies, "telepathy"), FEATURES.request, FEATURES.lists, FEATURES.items)
    with caplog.at_level(logging.WARNING):
        rankers = LiveRankers(store, more)
        rankers.refresh()
    assert rankers.rank("films", logged([[1, 2]])) is None
    (said,) = [record.getMessage() for record in caplog.records]  # once, not at every look
    assert "telepathy: 1 / rank" in said
    assert "segue learn" in said


def test_a_missing_ranker_and_damaged_pointers_change_nothing(
    store: Store, learned: Ranker, caplog: pytest.LogCaptureFixture
) -> None:
    store.go_live(part("films"), store.artifacts / "gone")
    rankers = LiveRankers(store, FEATURES)
    assert rankers.rank("films", logged([[1, 2]])) is None
    assert "gone" in caplog.text
    live(store, learned, "first")
    rankers.refresh()
    (store.folder / "live.json").write_text("[")
    rankers.refresh()
    assert rankers.rank("films", logged([[1, 2]])) is not None
    assert "stay as they are" in caplog.text
    with caplog.at_level(logging.ERROR):
        assert rankers.rank("films", {"items": [[1.0, 2.0]], "trusted": []}) is None  # a log that lacks what it needs
    assert "failed" in caplog.text
