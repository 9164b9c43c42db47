"""Learning a ranker from a log: what is read from it, the gate, and a ranker that went live in an engine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import segue.engine
from segue.cli import main
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.events import Event, EventLog
from segue.rank.ranker import Page, Ranker, part, train
from segue.recipes.learn import Verdict, as_table, engine_features, judge, learn, parted, read
from segue.store import ACTIONS, Store

FEATURES = engine_features()
WANTED = FEATURES.names.index("item: popularity share")


def learning(ranks: list[int], liked: list[float]) -> dict[str, Any]:
    """What a policy logs when the text strategy alone brought the items; `liked` is their share of popularity."""
    return {
        "query": "love",
        "context": [0.0] * len(FEATURES.request),
        "lists": {"text": [0.1] * len(FEATURES.lists)},
        "trusted": ["text"],
        "ranks": [[rank] for rank in ranks],
        "shares": [[1 / rank] for rank in ranks],
        "items": [[1 / rank, 1.0, share, share, 0.0] for rank, share in zip(ranks, liked, strict=True)],
        "propensity": [[1.0, 1.0]] * len(ranks),
        "shown": list(range(len(ranks))),
        "reserved": -1,
    }


def answer(id: str, when: float, results: list[tuple[str, str]], logged: dict[str, Any]) -> Event:
    """An answer whose results are (domain, id)s in the order of the page."""
    shown = [["love", domain, [item for name, item in results if name == domain]] for domain in logged]
    body = {"results": [{"domain": domain, "id": item} for domain, item in results], "shown": shown, "learning": logged}
    return Event(id, "answer", when, body)


def feedback(to: str, item: str, action: str = "click", *, domain: str = "films", undoes: str | None = None) -> Event:
    body = {"answer": to, "domain": domain, "item": item, "action": action} | ({"undoes": undoes} if undoes else {})
    return Event(f"{to} {item} {action} {undoes}", "feedback", 0.0, body)


def pages_of(*events: Event, now: float = 1e9) -> dict[str, list[Page]]:
    logs, _ = read(lambda: events, ACTIONS, FEATURES, now=now)
    return {domain: log.pages for domain, log in logs.items()}


# -- reading --------------------------------------------------------------------------------------------------------


def test_a_page_of_two_domains_by_hand() -> None:
    results = [("films", "f1"), ("books", "b1"), ("films", "f2"), ("films", "f3")]
    films = learning([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4]) | {"shown": [2, 0, 3]}
    films["propensity"] = [[1.0, 0.1], [1.0, 0.2], [1.0, 0.3], [1.0, 0.4]]
    events = (
        answer("a", 5.0, results, {"films": films, "books": learning([1], [0.5])}),
        feedback("a", "f2"),
        feedback("a", "f3", "dislike"),
        feedback("a", "b1", "play", domain="books"),
        feedback("a", "b1", "undo", domain="books", undoes="play"),
    )
    found = pages_of(*events)
    assert found["books"] == []
    (page,) = found["films"]
    assert (page.query, page.time) == ("love", 5.0)
    assert page.positions.tolist() == [1, 3, 4]
    assert page.taken.tolist() == [False, True, False]
    assert page.stands is not None
    assert page.stands.tolist() == [0.3, 0.1, 0.4]
    assert page.rows[:, WANTED].round(3).tolist() == [pytest.approx(0.3), pytest.approx(0.1), pytest.approx(0.4)]
    ranked = {**events[0].body, "learning": {"films": films | {"ranker": "one"}}}
    (page,) = pages_of(Event("a", "answer", 5.0, ranked), *events[1:])["films"]
    assert page.stands is None  # the policy's chances are not those of a page that a ranker made


def test_answers_that_may_still_be_acted_on_wait() -> None:
    logged = learning([1, 2], [0.1, 0.2])
    asked = [answer(f"a{place}", 100.0, [("films", "f1"), ("films", "f2")], {"films": logged}) for place in range(60)]
    clicks = [feedback(f"a{place}", "f1") for place in range(60)]
    assert len(pages_of(*asked, *clicks, now=101.0)["films"]) == 10  # fifty others have followed these
    assert len(pages_of(*asked, *clicks, now=500.0)["films"]) == 60


def test_what_another_version_logged_is_counted_and_left_out() -> None:
    strange = learning([1, 2], [0.1, 0.2]) | {"context": [0.0]}
    events = [answer("a", 0.0, [("films", "f1"), ("films", "f2")], {"films": strange}), feedback("a", "f1")]
    logs, _ = read(lambda: events, ACTIONS, FEATURES, now=1e9)
    assert (logs["films"].pages, logs["films"].unreadable) == ([], 1)
    plain = answer("b", 0.0, [("films", "f1")], {})  # a policy that logs nothing
    assert pages_of(plain, feedback("b", "f1")) == {}


# -- the gate -------------------------------------------------------------------------------------------------------


class Liking(Ranker):
    """Puts the most popular first, or the least."""

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def scores(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.sign * rows[:, WANTED], dtype=np.float64)


def drawn_pages(count: int, seed: int, *, told: bool = True, queries: int = 10_000) -> list[Page]:
    """Pages in the order of text, on which people want what is popular (`told`), or anything; they look at place r with 1 / r."""
    random = np.random.default_rng(seed)
    pages = list[Page]()
    while len(pages) < count:
        liked = random.random(8)
        wants = liked > 0.7 if told else random.random(8) > 0.7
        taken = (random.random(8) < 1 / np.arange(1, 9)) & (random.random(8) < np.where(wants, 0.9, 0.1))
        if taken.any():
            rows = FEATURES.rows(learning(list(range(1, 9)), liked.tolist()))
            query = f"query {random.integers(queries)}"
            pages.append(Page(query, float(len(pages)), rows, np.arange(1, 9), taken, np.ones(8)))
    return pages


def test_the_gate_by_brute_force() -> None:
    pages, examined = drawn_pages(50, 0), np.array([1.0, 0.5, 0.02])
    found = judge(Liking(1), pages, examined)
    shown = ours = 0.0
    for page in pages:
        scores = page.rows[:, WANTED].tolist()
        for row in range(8):
            weight = float(page.taken[row]) * [1, 2, *[10] * 6][row]  # clipped; behind the curve its last place counts
            shown += weight / np.log2(row + 2)
            ours += weight / np.log2(sum(other > scores[row] for other in scores) + 2)
    assert found.production == pytest.approx(shown / 50)
    assert found.ranker == pytest.approx(ours / 50)
    assert found.low < found.ranker - found.production < found.high


def test_the_gate_lets_better_ones_through_and_nothing_else() -> None:
    examined = 1 / np.arange(1, 9)
    pages = drawn_pages(400, 1)
    assert judge(Liking(1), pages, examined).passed
    assert not judge(Liking(-1), pages, examined).passed
    same = judge(Liking(0), pages, examined)
    assert (same.ranker, same.low, same.high) == (same.production, 0, 0)
    assert not same.passed  # nothing is gained by it
    assert not judge(Liking(1), drawn_pages(400, 2, told=False), examined).passed


def test_many_pages_of_few_queries_say_less() -> None:
    examined = 1 / np.arange(1, 9)
    many, few = (judge(Liking(1), drawn_pages(400, 3, queries=queries), examined) for queries in (10_000, 5))
    assert few.high - few.low != many.high - many.low
    one = judge(Liking(1), drawn_pages(50, 3, queries=1), examined)
    assert one.low == one.high  # a single query, drawn again and again: `passed` needs more than this


@pytest.mark.parametrize(
    ("ranker", "low", "passed"), [(1.1, 0.01, True), (1.1, -0.005, True), (1.1, -0.006, False), (1.0, 0.0, False)]
)
def test_how_far_below_production_an_interval_may_end(ranker: float, low: float, passed: bool) -> None:
    verdict = Verdict(production=1.0, ranker=ranker, low=low, high=0.3)
    assert verdict.passed == passed
    assert ("not passed" in verdict.describe()) != passed


def test_the_last_fifth_is_held_out() -> None:
    pages = drawn_pages(11, 0)
    before, held_out = parted(pages)
    assert (len(before), len(held_out)) == (9, 2)
    assert [*before, *held_out] == pages


# -- the whole command ----------------------------------------------------------------------------------------------


def logged_store(folder: Path, count: int, *, told: bool = True) -> Path:
    """A store whose log holds so many pages of `drawn_pages`, and an answer that nothing was taken from."""
    opened = Store.open(folder)
    log = EventLog.open(opened.events)
    events = list[Event]()
    for place, page in enumerate(drawn_pages(count, 5, told=told)):
        items = [("films", f"f{row}") for row in range(8)]
        told_again = learning(list(range(1, 9)), page.rows[:, WANTED].tolist()) | {"query": page.query}
        events.append(answer(f"a{place}", page.time, items, {"films": told_again}))
        events += [feedback(f"a{place}", f"f{row}") for row in np.flatnonzero(page.taken)]
    events.append(answer("last", 0.0, [("films", "f1")], {"films": learning([1], [0.5])}))
    log.append(*events).result()
    log.close()
    return folder


def test_a_better_ranker_goes_live_and_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    folder = logged_store(tmp_path / "store", 600)
    store = Store.open(folder)
    dry = learn(folder, dry_run=True, quiet=True)
    assert dry["domains"]["films"]["passed"]
    assert not dry["domains"]["films"]["went live"]
    assert store.live(part("films")) is None
    assert not store.artifacts.exists()

    result = learn(folder, quiet=True)
    films = result["domains"]["films"]
    assert films["went live"]
    assert (films["answers"], films["answers that something was taken from"]) == (601, 600)
    assert (films["learned from"], films["held out"]) == (480, 120)
    assert films["ranker"] > films["production"]
    assert {name: films[name] for name in ("ranker", "production")} == {
        name: dry["domains"]["films"][name] for name in ("ranker", "production")
    }
    assert films["off-policy"] is None  # the log tried nothing out
    assert next(iter(films["importances"])).startswith("item: popularity")
    live = store.live(part("films"))
    assert live is not None
    assert live.name == films["artifact"]
    assert Ranker.open(live).meta == {"domain": "films", "pages": 480, "seed": 0, "debiasing": "position"} | {
        "features": Ranker.open(live).meta["features"]
    }
    again = learn(folder, quiet=True)["domains"]["films"]  # the same log: the same ranker, and its folder is there
    assert (again["artifact"], again["before"]) == (films["artifact"], films["artifact"])
    for shown in (as_table(dry), as_table(result)):
        assert "passed" in shown
    assert "live.json" in as_table(result)
    assert "dry run" in as_table(dry)


def test_a_ranker_that_is_no_better_stays_out(tmp_path: Path) -> None:
    folder = logged_store(tmp_path / "store", 400, told=False)
    result = learn(folder, quiet=True)
    assert not result["domains"]["films"]["passed"]
    assert not result["domains"]["films"]["went live"]
    assert Store.open(folder).live(part("films")) is None
    assert "nothing was changed" in as_table(result)


def test_exploration_in_the_log_gives_an_off_policy_estimate(tmp_path: Path) -> None:
    """Half of the pages were made in the order that the ranker learns, half the other way round, with chances of .5."""
    store = Store.open(tmp_path / "store")
    random = np.random.default_rng(0)
    events = list[Event]()
    for place in range(800):
        turned = bool(random.integers(2))
        liked = [0.2, 0.9] if turned else [0.9, 0.2]
        logged = learning([1, 2], liked) | {"query": f"query {place}", "propensity": [[1.0, 0.5]] * 2}
        events.append(answer(f"a{place}", float(place), [("films", "x"), ("films", "y")], {"films": logged}))
        taken = random.random(2) < np.array([1, 0.5]) * np.where(np.array(liked) > 0.5, 0.8, 0.2)
        events += [feedback(f"a{place}", item) for item, one in zip("xy", taken, strict=True) if one]
    log = EventLog.open(store.events)
    log.append(*events).result()
    log.close()
    found = learn(store.folder, dry_run=True, quiet=True)["domains"]["films"]["off-policy"]
    truth = 0.8 + 0.1 / np.log2(3)  # the better one first; the other is looked at half as often
    assert found["ranker"]["low"] <= truth <= found["ranker"]["high"]
    assert found["production"] < found["ranker"]["value"]


def test_too_little_feedback_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no store"):
        learn(tmp_path / "nowhere", quiet=True)
    Store.open(tmp_path / "empty")
    with pytest.raises(InvalidInput, match=r"0 answers, and nothing was taken.*send feedback"):
        learn(tmp_path / "empty", quiet=True)
    few = learn(logged_store(tmp_path / "few", 20), quiet=True)
    assert few["domains"]["films"]["verdict"].startswith("too few")
    assert not few["domains"]["films"]["went live"]
    assert "| films | 21 | 20 |" in as_table(few)


def test_the_command(tmp_path: Path) -> None:
    folder = logged_store(tmp_path / "store", 350)
    shown = CliRunner().invoke(main, ["learn", "--store", str(folder), "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "| films | 351 | 350 | 280 | 70 |" in shown.stdout
    told = CliRunner().invoke(main, ["learn", "--store", str(folder), "--json", "--seed", "3"])
    assert json.loads(told.stdout)["seed"] == 3
    assert told.stderr == ""
    failed = CliRunner().invoke(main, ["learn", "--store", str(tmp_path / "none")])
    assert failed.exit_code == 1
    assert "no store" in failed.stderr


# -- in the engine --------------------------------------------------------------------------------------------------


@pytest.fixture
def upside_down(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine whose films have a live ranker that likes what is not popular; it went live while the engine was open."""
    monkeypatch.setattr(segue.engine, "_REFRESH", -1.0)
    random = np.random.default_rng(0)
    pages = list[Page]()
    for place in range(400):
        liked = 0.8 + 0.2 * random.random(8)  # as far apart as the films' shares
        taken = np.arange(8) == liked.argmin()
        rows = FEATURES.rows(learning(list(range(1, 9)), liked.tolist()))
        pages.append(Page(f"query {place}", float(place), rows, np.arange(1, 9), taken))
    folder = engine.store.artifacts / "upside-down"
    train(FEATURES, pages, debiasing="none").write(folder, name="upside-down")
    engine.ask("love")
    engine.store.go_live(part("films"), folder)
    yield engine


def test_an_engine_takes_up_a_ranker_and_explains_it(upside_down: Engine) -> None:
    answer = upside_down.ask("love", domain="films")
    scores = [result.score for result in answer.results]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    upside_down.log.append().result()
    event = upside_down.log.find(answer.id)
    assert event is not None
    logged = event.body["learning"]["films"]
    assert logged["ranker"] == "upside-down"
    numbers = [logged["numbers"][row] for row in logged["shown"]]
    snapshot = upside_down.domains.get("films").snapshot
    assert [snapshot.ids_of([number])[number] for number in numbers] == [result.id for result in answer.results]
    folder = upside_down.store.live(part("films"))
    assert folder is not None
    wanted = Ranker.open(folder).scores(FEATURES.rows(logged))
    assert logged["reserved"] < 0  # no place was given away here, so that all of them are the ranker's
    assert logged["shown"] == np.argsort(-wanted, kind="stable").tolist() != list(range(len(wanted)))
    for result in answer.results:
        parts = dict(answer.trace["contributions"][f"films/{result.id}"])
        total = parts.pop("total")
        assert total == pytest.approx(sum(parts.values()), abs=1e-4)
    assert "item" in parts


def test_a_page_of_several_domains_and_feedback_go_on_as_before(upside_down: Engine) -> None:
    answer = upside_down.ask("mary poppins")
    assert {"films", "books"} == {result.domain for result in answer.results}
    for result in answer.results:
        upside_down.feedback(answer, result, action="click")
    logs, _ = read(lambda: upside_down.log.replay(), ACTIONS, FEATURES, now=1e12)
    assert all(page.taken.all() for page in (logs["films"].pages[-1], logs["books"].pages[-1]))
    assert logs["films"].pages[-1].stands is None
    assert logs["books"].pages[-1].stands is not None
    before = upside_down.bandit.lessons.of("films").answers
    upside_down.ask("love", domain="films")
    upside_down.log.append().result()
    assert upside_down.bandit.lessons.of("films").answers == before + 1


def test_a_ranker_taken_out_leaves_the_policys_order(upside_down: Engine, encoder: OnnxEncoder) -> None:
    ranked = upside_down.ask("love", domain="films", seed=1)
    file = upside_down.store.folder / "live.json"
    pointers = json.loads(file.read_text())
    file.write_text(json.dumps({key: name for key, name in pointers.items() if key != part("films")}))
    plain = upside_down.ask("love", domain="films", seed=1)
    assert [result.id for result in plain.results] != [result.id for result in ranked.results]
    assert [result.score for result in plain.results] == [result.score for result in ranked.results]
    with Engine.open(upside_down.store.folder, encoder=encoder) as other:
        assert [one.id for one in other.ask("love", domain="films", seed=1).results] == [
            one.id for one in plain.results
        ]
