"""Judging policies from the log: against closed forms, against the truth in simulated logs, and over a real engine."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from segue.asking import make_request
from segue.cli import main
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.events import Event
from segue.recipes.evaluate_policy import Candidate, Logged, as_table, evaluate_policy, judge
from segue.retrieve.bandit import Bandit
from segue.retrieve.memory import Memory

WAYS = ("by place", "by item")
QUERIES = ("love", "mary poppins", "comedies from 1960", "hitchcock", "horror", "romance", "play misty", "1964")


def itself(page: Logged) -> Candidate:
    """The logging policy as a candidate: it does everything with the probability that was logged."""
    every = np.ones(len(page.shown))
    return Candidate(page.propensities[:, 0], page.propensities[page.shown, 1], every, float(len(page.numbers)))


@st.composite
def logs(draw: st.DrawFn) -> list[Logged]:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    pages = []
    for _ in range(draw(st.integers(2, 12))):
        kept = int(random.integers(1, 8))
        shown = np.arange(random.integers(1, kept + 1))
        rewards = np.zeros(kept)
        rewards[shown] = random.choice([0, 0, 1, 2, -3], len(shown))
        pages.append(Logged(random.permutation(20)[:kept], rewards, random.uniform(0.06, 1, (kept, 2)), shown))
    return pages


@given(logs())
def test_the_logging_policy_is_worth_its_own_mean(pages: list[Logged]) -> None:
    mean = np.mean([page.rewards.sum() for page in pages])
    for judged in judge(pages, [itself(page) for page in pages]).values():
        assert judged.value.value == pytest.approx(mean)
        assert judged.normalised.value == pytest.approx(mean)
        assert judged.coverage == pytest.approx(1)


@given(logs(), st.integers(0, 2**32))
def test_estimates_are_what_a_loop_adds_up(pages: list[Logged], seed: int) -> None:
    random = np.random.default_rng(seed)
    wanted = [random.permutation(page.numbers)[: random.integers(0, len(page.numbers) + 1)] for page in pages]
    judged = judge(pages, [Candidate.page(page, numbers) for page, numbers in zip(pages, wanted, strict=True)])
    by_place, by_item, weights, choices = [], [], 0.0, 0
    for page, numbers in zip(pages, wanted, strict=True):
        own = numbers.tolist()
        by_place.append(
            sum(
                page.rewards[row] / page.propensities[row, 1]
                for row in page.shown
                if row < len(own) and own[row] == page.numbers[row]
            )
        )
        chosen = [row for row in range(len(page.numbers)) if page.numbers[row] in own]
        by_item.append(sum(page.rewards[row] / page.propensities[row, 0] for row in chosen))
        weights += sum(1 / page.propensities[row, 0] for row in chosen)
        choices += len(own)
    assert judged["by place"].value.value == pytest.approx(np.mean(by_place))
    assert judged["by item"].value.value == pytest.approx(np.mean(by_item))
    assert judged["by item"].coverage == pytest.approx(weights / max(choices, 1))
    if weights:
        normalised = sum(by_item) / weights * choices / len(pages)
        assert judged["by item"].normalised.value == pytest.approx(normalised)


Clicks = Callable[[np.ndarray, np.ndarray], np.ndarray]


def simulated(random: np.random.Generator, pages: int, clicks: Clicks) -> tuple[list[Logged], list[Candidate], float]:
    """A log of a policy that shows one of 16 noisy orders of ten items, a candidate that shows the order without noise, and
    what that is truly worth: `clicks` says how likely items are clicked at places from 0."""
    log, wanted, truth = [], [], 0.0
    for _ in range(pages):
        good = random.normal(size=10)
        orders = np.argsort(-(good[:, None] + random.normal(scale=0.5, size=(10, 16))), axis=0, kind="stable")[:5]
        order = orders[:, random.integers(16)]
        stands = (orders == order[:, None]).mean(axis=1)
        kept = (orders[None] == order[:, None, None]).any(axis=1).mean(axis=1)
        clicked = (random.random(5) < clicks(order, np.arange(5))).astype(np.float64)
        log.append(Logged(order, clicked, np.column_stack([kept, stands]), np.arange(5)))
        # the candidate is one of the 16, so that all it would do could have been logged
        own = orders[:, 0]
        wanted.append(Candidate.page(log[-1], own))
        truth += float(clicks(own, np.arange(5)).sum()) / pages
    return log, wanted, truth


def likelihood(items: np.ndarray) -> np.ndarray:
    chances: np.ndarray = 0.1 + 0.07 * items
    return chances


@pytest.mark.parametrize(
    ("way", "clicks"),
    [
        ("by place", lambda items, places: likelihood(items) / (1 + places)),
        ("by item", lambda items, places: likelihood(items)),
    ],
)
def test_intervals_hold_the_truth(way: str, clicks: Clicks) -> None:
    """In 95 of 100 logs, give or take what chance gives: below 88 of 100 is a mistake with more than 99.5 % certainty."""
    held = {"value": 0, "normalised": 0}
    for seed in range(100):
        log, wanted, truth = simulated(np.random.default_rng(seed), 200, clicks)
        judged = judge(log, wanted)[way]
        assert judged.coverage == pytest.approx(1, abs=0.25)
        for name, found in (("value", judged.value), ("normalised", judged.normalised)):
            held[name] += found.low <= truth <= found.high
    assert min(held.values()) >= 88, held


def test_what_was_never_logged_is_said_to_be_unknown() -> None:
    log, _, _ = simulated(np.random.default_rng(1), 50, lambda items, places: likelihood(items))
    judged = judge(log, [Candidate.page(page, np.array([97, 98, 99])) for page in log])
    for way in WAYS:
        assert judged[way].value.value == 0
        assert judged[way].coverage == 0
        assert any("Only 0% of its choices" in warning for warning in judged[way].value.warnings)
        assert any("effective sample size is 0" in warning for warning in judged[way].value.warnings)


def test_a_policy_that_finds_nothing_earns_nothing_for_certain() -> None:
    log, _, _ = simulated(np.random.default_rng(1), 50, lambda items, places: likelihood(items))
    judged = judge(log, [Candidate.page(page, np.zeros(0, np.int64)) for page in log])
    assert [(judged[way].value.value, judged[way].normalised.value) for way in WAYS] == [(0, 0), (0, 0)]


def test_a_chance_meeting_is_clipped_and_said() -> None:
    page = Logged(np.array([1, 2]), np.array([1.0, 0.0]), np.array([[1.0, 1e-4], [1.0, 1.0]]), np.array([0, 1]))
    judged = judge([page, page], [Candidate.page(page, np.array([1, 2]))] * 2)["by place"]
    assert judged.value.value == 20
    assert any("were clipped to 20" in warning for warning in judged.value.warnings)


def test_pages_that_a_ranker_put_in_order_are_judged_by_item_only() -> None:
    log, wanted, _ = simulated(np.random.default_rng(2), 40, lambda items, places: likelihood(items))
    ranked = [Logged(page.numbers, page.rewards, page.propensities, page.shown, ranked=True) for page in log]
    assert set(judge(ranked, wanted)) == {"by item"}
    half = judge([*ranked[:20], *log[20:]], wanted)
    assert half["by place"] == judge(log[20:], wanted[20:])["by place"]
    assert half["by item"] == judge(log, wanted)["by item"]


# -- over a store ---------------------------------------------------------------------------------------------------


def asked_and_taken(engine: Engine, asks: int, *, domain: str | None = "films") -> None:
    """People who ask, and take what has an even place among the ids, more often where they look first."""
    random = np.random.default_rng(5)
    for number in range(asks):
        answer = engine.ask(QUERIES[number % len(QUERIES)], domain=domain, limit=6, seed=number)
        for place, result in enumerate(answer.results, 1):
            if int(result.id[1:]) % 2 == 0 and random.random() < 1 / place:
                engine.send_feedback(answer, result, action="click")
    engine.log.append().result()


def telling(engine: Engine, start: int) -> list[Event]:
    """The answers from number `start` on that could have been others."""
    answers = [event for event in engine.log.replay() if event.kind == "answer"][start:]
    return [event for event in answers if np.min(event.body["learning"]["films"]["propensity"]) < 1]


def test_a_store_is_judged(engine: Engine) -> None:
    asked_and_taken(engine, 60)
    result = evaluate_policy(engine, quiet=True)
    assert list(result["policies"]) == ["fusion", "bandit", *engine.strategies]
    log = result["log"]
    assert (log["answers"], log["learned from"]) == (60, 42)
    assert log["pages"] + sum(log["left out"].values()) == 18
    answers = telling(engine, 42)
    assert len(answers) == log["pages"]
    taken = [event.body["answer"] for event in engine.log.replay() if event.kind == "feedback"]
    assert result["logged policy"]["value"] == pytest.approx(np.mean([taken.count(event.id) for event in answers]))
    for row in result["policies"].values():
        for found in row["estimates"].values():
            assert found["low"] <= found["value"] <= found["high"]
            assert found["samples"] == log["pages"]
    json.dumps(result)
    table = as_table(result)
    assert "learned bandit, no exploration" in table
    assert "The effective sample size is" in table


def test_a_strategy_alone_is_what_it_returns(engine: Engine) -> None:
    asked_and_taken(engine, 40)
    result = evaluate_policy(engine, policy="title", quiet=True)
    assert list(result["policies"]) == ["title"]
    same, places = 0, 0
    for event in telling(engine, 28):
        answer = event.body["learning"]["films"]
        request = make_request(event.body["request"]["text"], domain="films", limit=6)
        (understood,) = engine.domains.understand(request, engine.memory)
        own = engine.strategies["title"].retrieve(understood.query, understood.catalogue, 6).numbers.tolist()
        logged = [answer["numbers"][row] for row in answer["shown"]]
        places += min(len(own), len(logged))
        same += sum(one == other for one, other in zip(own, logged, strict=False))
    assert result["policies"]["title"]["same"] == pytest.approx(same / places)


def test_the_memory_is_as_it_was_when_the_page_was_made(engine: Engine) -> None:
    """The last answer alone was acted on: nothing was remembered when any of the pages was made."""
    for number in range(20):
        answer = engine.ask("love", domain="films", limit=6, seed=number)
    engine.feedback(answer, answer.results[0], action="play")
    result = evaluate_policy(engine, policy="memory", quiet=True)
    assert engine.memory.size == 1
    assert result["policies"]["memory"]["results a page"] == 0
    assert "Found nothing for any of these pages: memory." in as_table(result)


def test_the_bandit_has_not_seen_what_it_is_judged_on(engine: Engine) -> None:
    asked_and_taken(engine, 200)
    result = evaluate_policy(engine, policy="bandit", quiet=True)
    answers, learned = 0, Bandit(list(engine.strategies), Memory(engine.store.actions), engine.store.actions)
    for event in engine.log.replay():
        answers += event.kind == "answer"
        if answers > 140:
            break
        learned.learn(event)
    assert 0 < learned.lessons.pages()["films"] < engine.bandit.lessons.pages()["films"]
    assert result["policies"]["bandit"]["about"] == learned.describe()


def test_domains_and_the_last_answers(engine: Engine) -> None:
    asked_and_taken(engine, 40, domain=None)
    everything = evaluate_policy(engine, policy="fusion", quiet=True)["log"]
    films = evaluate_policy(engine, policy="fusion", domain="films", quiet=True)["log"]
    looked_at = [log["pages"] + sum(log["left out"].values()) for log in (films, everything)]
    assert looked_at[0] == 12 < looked_at[1]
    assert evaluate_policy(engine, policy="fusion", last=5, quiet=True)["log"]["learned from"] == 35
    assert evaluate_policy(engine, policy="fusion", last=500, quiet=True)["log"]["learned from"] == 28


def test_an_item_that_is_gone_cannot_be_met(engine: Engine) -> None:
    asked_and_taken(engine, 30)
    engine.delete([f"f{number}" for number in range(1, 9)], domain="films")
    engine.index([{"id": "z", "title": "Zebra"}], domain="films")
    result = evaluate_policy(engine, policy="text", quiet=True)
    assert result["policies"]["text"]["estimates"]["by item"]["value"] == 0
    engine.delete(["z"], domain="films")
    with pytest.raises(InvalidInput, match="of a domain that is not there any more"):
        evaluate_policy(engine, quiet=True)


def test_an_incumbent_says_nothing_of_others(tmp_path: Path, encoder: OnnxEncoder) -> None:
    folder = tmp_path / "apprentice"
    folder.mkdir()
    (folder / "segue.json").write_text('{"format": 1, "policy": "apprentice"}')
    with Engine.open(folder, encoder=encoder) as engine:
        engine.index([{"id": str(number), "title": f"Film {number}"} for number in range(9)], domain="films")
        for number in range(10):
            engine.ask("film", seed=number)
        with pytest.raises(InvalidInput, match="3 answered by the incumbent, which tries nothing out"):
            evaluate_policy(engine, quiet=True)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"policy": "magic"}, "There is no policy 'magic'"),
        ({"last": 0}, "The last 0 answers"),
        ({}, "The log holds 0 pages"),
    ],
)
def test_what_cannot_be_judged(engine: Engine, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        evaluate_policy(engine, quiet=True, **wrong)


def test_an_unknown_domain(engine: Engine) -> None:
    with pytest.raises(NotFound, match="There is no domain 'songs'"):
        evaluate_policy(engine, domain="songs", quiet=True)


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_from_the_command_line(tmp_path: Path, encoder: OnnxEncoder, int8_folder: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(int8_folder, folder / "artifacts" / "encoder-minilm", copy_function=os.link)
    (folder / "segue.json").write_text('{"format": 1}')
    with Engine.open(folder, encoder=encoder) as engine:
        engine.index([{"id": f"f{number}", "title": f"Love {number}"} for number in range(9)], domain="films")
        asked_and_taken(engine, 30)
    asked = ("evaluate", "policy", "--store", folder, "--policy", "fusion")
    result = run(*asked, "--json", "--domain", "films", "--last", "6")
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert list(body["policies"]) == ["fusion"]
    assert body["log"]["learned from"] == 24
    assert "| static rank fusion |" in run(*asked).stdout
    refused = run("evaluate", "policy", "--store", folder, "--policy", "magic")
    assert refused.exit_code == 1
    assert "There is no policy 'magic'" in refused.stderr
