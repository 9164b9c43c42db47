"""What is learned from the log: when, from what, by replay as online, and how a broken strategy goes and comes back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from segue.events import Event
from segue.records import Candidates, Request
from segue.retrieve.context import ITEM, REQUEST, STRATEGY
from segue.retrieve.layout import Layout
from segue.retrieve.lessons import Lessons
from segue.retrieve.pages import to_log
from segue.retrieve.query import Query
from segue.retrieve.union import Floats, unite
from segue.store import ACTIONS

NAMES = ("left", "right")
LAYOUT = Layout(2)
OPEN, BATCH = 50, 25
RESULTS, AGREEMENT = STRATEGY.index("results"), STRATEGY.index("agreement")


def listed(name: str, numbers: Sequence[int]) -> Candidates:
    return Candidates(name, np.array(numbers, np.int64), np.linspace(1, 0.5, len(numbers)).astype(np.float32))


def page(
    text: str, lists: Mapping[str, Sequence[int]], *, untrusted: Sequence[str] = (), agreement: float = 0.5
) -> dict[str, Any]:
    """What a policy logs of a page with everything that these lists hold on it, in order of number."""
    found = [listed(name, numbers) for name, numbers in lists.items()]
    trusted = [one for one in found if one.strategy not in untrusted]
    union = unite(trusted)
    items = np.tile(np.linspace(1, 0, len(union.numbers)).round(4)[:, None], (1, len(ITEM)))
    described = np.zeros((len(found), len(STRATEGY)))
    described[:, RESULTS] = [len(one) for one in found]
    described[:, AGREEMENT] = agreement
    query = Query(Request("", text), text, lambda texts: np.zeros((len(texts), 4), np.float32))
    context = np.random.default_rng(len(text)).uniform(0, 1, len(REQUEST)).round(4)
    logged = to_log(query, found, context, described, trusted, union, items, np.arange(len(union.numbers)))
    return {**logged, "shown": list(range(len(union.numbers)))}


def answer(id: str, pages: Mapping[str, Mapping[str, Any]]) -> Event:
    """An answer whose items have their numbers for ids."""
    shown = {domain: [str(number) for number in one["numbers"]] for domain, one in pages.items()}
    results = [{"id": id, "domain": domain} for domain, ids in shown.items() for id in ids]
    listing = [["q", domain, ids] for domain, ids in shown.items()]
    return Event(id, "answer", 0.0, {"results": results, "shown": listing, "learning": pages})


def acted(answer: str, item: int, action: str = "click", domain: str = "films", undoes: str | None = None) -> Event:
    body = {"answer": answer, "domain": domain, "item": str(item), "action": action}
    return Event(f"{answer} {item} {action}", "feedback", 0.0, body | ({"undoes": undoes} if undoes else {}))


def lessons(events: Iterable[Event] = (), names: Sequence[str] = NAMES) -> Lessons:
    learned = Lessons(names, ACTIONS, lambda positions: 1 / positions)
    for event in events:
        learned.learn(event)
    return learned


BOTH = {"left": [1, 2, 3, 4], "right": [3, 5, 6, 7]}


def log(count: int, seed: int = 0, domain: str = "films", prefix: str = "a") -> list[Event]:
    """Answers with different lists and queries, most of them with something taken."""
    random, events = np.random.default_rng(seed), []
    for n in range(count):
        lists = {name: random.permutation(12)[: random.integers(0, 8)].tolist() for name in NAMES}
        lists["right"] = lists["right"] or [0]
        made = page(f"query {random.integers(40)}", lists, agreement=float(random.random().__round__(4)))
        events.append(answer(f"{prefix}{n}", {domain: made}))
        if random.random() < 0.8:
            item, action = random.choice(made["numbers"]), random.choice(["click", "play", "skip"])
            events.append(acted(f"{prefix}{n}", int(item), str(action), domain))
    return events


def idle(count: int, prefix: str = "idle") -> list[Event]:
    """Answers that nothing is taken from: enough of them close those before."""
    return [answer(f"{prefix}{n}", {"films": page("idle", BOTH)}) for n in range(count)]


# -- a fold over the log --------------------------------------------------------------------------------------------


def test_replay_is_online_to_the_last_bit() -> None:
    """Whatever was written to disk and read back between."""
    events = log(300)
    read = [Event(one.id, one.kind, one.time, orjson.loads(orjson.dumps(one.body))) for one in events]
    online, replayed = lessons(events), lessons(read)
    assert online.pages()["films"] > 4 * BATCH
    assert online.digest() == replayed.digest()
    assert lessons(events[:-1]).digest() == lessons(read[:-1]).digest()


def test_another_log_leads_elsewhere() -> None:
    assert lessons(log(200)).digest() != lessons(log(200, seed=1)).digest()


def test_looking_at_what_is_known_changes_nothing_that_is_learned() -> None:
    events, looked = log(120), lessons()
    for event in events:
        looked.of("films")
        looked.pages()
        looked.learn(event)
    assert looked.digest() == lessons(events).digest()


# -- when a page is learned from ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("later", "pages"), [(0, 0), (OPEN - 1, 0), (OPEN, 1), (OPEN + 20, 1)])
def test_an_answer_is_learned_from_after_so_many_later_ones(later: int, pages: int) -> None:
    events = [answer("a", {"films": page("q", BOTH)}), acted("a", 3), *idle(later)]
    assert lessons(events).of("films").pages == pages


def test_feedback_counts_until_then_and_not_after() -> None:
    first = answer("a", {"films": page("q", BOTH)})
    assert lessons([first, *idle(OPEN - 1), acted("a", 3), *idle(1, "last")]).of("films").pages == 1
    late = lessons([first, *idle(OPEN), acted("a", 3), *idle(OPEN, "more")])
    assert late.of("films").pages == 0
    assert late.digest() == lessons([first, *idle(OPEN), *idle(OPEN, "more")]).digest()


@pytest.mark.parametrize(
    ("actions", "taken"),
    [
        ([("click", None)], True),
        ([("click", None), ("undo", "click")], False),
        ([("play", None), ("click", None), ("undo", "play")], True),
        ([("click", None), ("dislike", None)], False),
        ([("dislike", None), ("click", None), ("undo", "dislike")], True),
        ([("skip", None)], False),
        ([("looked at", None)], False),
        ([("undo", "looked at")], False),
    ],
)
def test_what_counts_as_taken(actions: list[tuple[str, str | None]], taken: bool) -> None:
    done = [acted("a", 3, action, undoes=undoes) for action, undoes in actions]
    known = lessons([answer("a", {"films": page("q", BOTH)}), *done, *idle(OPEN)]).of("films")
    assert known.pages == int(taken)


def test_feedback_on_what_was_not_there_is_ignored() -> None:
    first = answer("a", {"films": page("q", BOTH)})
    plain = lessons([first, *idle(OPEN)])
    for odd in (acted("a", 99), acted("b", 3), acted("a", 3, domain="books")):
        learned = lessons([first, odd, *idle(OPEN)])
        assert learned.pages() == {}
        assert learned.digest() == plain.digest()


def test_a_batch_moves_the_weights_and_fewer_pages_do_not() -> None:
    events = [one for n in range(BATCH) for one in (answer(f"a{n}", {"films": page(f"q{n}", BOTH)}), acted(f"a{n}", 5))]
    few, full = (lessons([*events[:-2], *idle(OPEN)]), lessons([*events, *idle(OPEN)]))
    new = lessons().of("films").model.belief
    assert few.of("films").pages == BATCH - 1
    assert (few.of("films").model.belief.mean == new.mean).all()
    belief = full.of("films").model.belief
    assert belief.batches == 1
    assert (belief.mean != new.mean).any()


def test_repeats_of_a_query_count_less() -> None:
    def moved(texts: Sequence[str]) -> float:
        events = [
            one for n, text in enumerate(texts) for one in (answer(f"a{n}", {"films": page(text, BOTH)}), acted(f"a{n}", 6))
        ]  # fmt: skip
        known = lessons([*events, *idle(OPEN)]).of("films")
        return float(np.abs(known.model.belief.mean - lessons().of("films").model.belief.mean).sum())

    assert moved(["same"] * BATCH) < moved([f"q{n:03}" for n in range(BATCH)])


# -- who is believed ------------------------------------------------------------------------------------------------


def test_what_is_taken_raises_the_strategy_that_found_it() -> None:
    """Left's and right's lists are alike; what right alone found is taken."""
    worth = []
    for count in (25, 50, 100):
        events = []
        for n in range(count):
            events += [
                answer(f"a{n}", {"films": page(f"q{n}", {"left": [1, 3, 5], "right": [0, 2, 4]})}),
                acted(f"a{n}", 2),
            ]
        learned = lessons([*events, *idle(OPEN)])
        mean = learned.of("films").model.belief.mean
        second = [LAYOUT.block(place)[1] for place in range(2)]
        worth.append(float(mean[second[1]] - mean[second[0]]))
    assert 0 < worth[0] < worth[1] < worth[2]


def test_domains_do_not_touch_each_other() -> None:
    films, books = log(120), log(120, seed=5, domain="books", prefix="b")
    together = lessons(one for pair in zip(films, books, strict=False) for one in pair)
    shortest = min(len(films), len(books))
    alone = {"films": lessons(films[:shortest]), "books": lessons(books[:shortest])}
    for domain, learned in alone.items():
        one, other = learned.of(domain), together.of(domain)
        assert one.pages == other.pages > BATCH
        for name in ("mean", "precision", "draws"):
            assert getattr(one.model.belief, name).tobytes() == getattr(other.model.belief, name).tobytes()
        assert one.worth.expected() == other.worth.expected()
        assert {name: health.describe() for name, health in one.health.items()} == {
            name: health.describe() for name, health in other.health.items()
        }


def test_pages_of_other_strategies_are_read() -> None:
    """A log from before a strategy was taken away, or with none of those known now."""
    events = log(150)
    known = lessons(events, names=("right",)).of("films")
    assert known.pages == lessons(events).of("films").pages
    assert np.isfinite(known.model.belief.mean).all()
    stranger = lessons(events, names=("other",)).of("films")
    assert stranger.pages == known.pages
    assert stranger.worth.expected() == lessons(names=("other",)).of("films").worth.expected()
    assert stranger.health["other"].describe() == lessons(names=("other",)).of("films").health["other"].describe()


# -- health ---------------------------------------------------------------------------------------------------------


def watched(
    lists: Mapping[str, Sequence[int]], count: int, prefix: str, *, taken: int, untrusted: Sequence[str] = ()
) -> list[Event]:
    made = page("q", lists, untrusted=untrusted)
    return [
        one for n in range(count) for one in (answer(f"{prefix}{n}", {"films": made}), acted(f"{prefix}{n}", taken))
    ]


def certainty(learned: Lessons) -> Floats:
    """How much less each weight may vary than before anything was seen."""
    known, new = (
        np.diag(np.linalg.inv(one.of("films").model.belief.precision)) for one in (learned, lessons())
    )  # fmt: skip
    return 1 - known / new


def test_a_strategy_that_returns_nothing_any_more_breaks_and_is_learned_anew() -> None:
    learned = lessons(watched(BOTH, 300, "w", taken=5))
    before = certainty(learned)
    for event in watched({"left": [1, 2, 3, 4], "right": []}, 60, "x", taken=3):
        learned.learn(event)
        if learned.of("films").broken:
            break
    known = learned.of("films")
    assert known.broken == {"right"}
    assert [(name, what) for _, name, what in known.alarms] == [("right", "broke: answers fell")]
    left, right = LAYOUT.block(0), LAYOUT.block(1)
    after = certainty(learned)
    assert after[right].sum() < 0.2 * before[right].sum()
    assert after[left].sum() > 0.8 * before[left].sum()
    for event in watched(BOTH, 60, "y", taken=3):
        learned.learn(event)
    assert learned.of("films").broken == frozenset()
    assert [what for *_, what in learned.of("films").alarms] == ["broke: answers fell", "is well again"]


def test_one_whose_results_are_not_taken_any_more_breaks_and_comes_back() -> None:
    """While it is left out of the pages, what it returned is still compared with what is taken."""
    learned = lessons(watched(BOTH, 300, "w", taken=3))
    junk = {"left": [1, 2, 3, 4], "right": [90, 91, 92, 93]}
    for event in watched(junk, 150, "x", taken=3):
        learned.learn(event)
    known = learned.of("films")
    assert known.broken == {"right"}
    assert known.health["right"].broken == ("credit",)
    for event in watched(junk, 300, "y", taken=3, untrusted=["right"]):
        learned.learn(event)
    assert known.broken == {"right"}
    for event in watched(BOTH, 150, "z", taken=3, untrusted=["right"]):
        learned.learn(event)
    assert known.broken == frozenset()


# -- the apprentice -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "answers", "expected"),
    [
        ([3, 2, 1, 4, 5, 6, 7], 260, True),  # what is taken stands first instead of third
        ([1, 2, 3, 4, 5, 6, 7], 260, True),  # just as high
        ([1, 2, 5, 4, 3, 6, 7], 260, False),  # lower
        ([3, 2, 1, 4, 5, 6, 7], 180, False),  # not enough seen
    ],
)
def test_an_apprentice_takes_over_only_when_it_is_at_least_as_good(
    own: list[int], answers: int, expected: bool
) -> None:
    made = page("q", BOTH) | {"own place": own}
    events = [one for n in range(answers) for one in (answer(f"a{n}", {"films": made}), acted(f"a{n}", 3))]
    known = lessons(events).of("films")
    assert known.takes == answers - OPEN
    assert known.has_taken_over == expected
    assert not lessons(events).of("books").has_taken_over


def test_without_places_of_its_own_nobody_takes_over() -> None:
    known = lessons(watched(BOTH, 300, "w", taken=3)).of("films")
    assert known.pages == 250
    assert not known.has_taken_over
