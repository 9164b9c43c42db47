"""The explanation of a logged answer: what it says is what was logged, and its parts add up."""

import re
from pathlib import Path

import numpy as np
import pytest

from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import NotFound
from segue.recipes.explain import as_text, explained
from segue.retrieve.context import REQUEST
from segue.retrieve.select import ReciprocalRankFusion


def text_of(engine: Engine, id: str) -> str:
    return "\n".join(as_text(explained(engine, id)))


def test_what_was_asked_and_why(engine: Engine) -> None:
    answer = engine.ask("comedies from 1960", domain="films")
    body = explained(engine, answer.id)
    assert body["id"] == answer.id
    films = body["explanation"]["films"]
    assert films["decided by"] == "bandit"
    assert set(films["request"]) <= set(REQUEST)
    assert films["request"]["digits"] == 1
    assert 0 not in films["request"].values()
    asked = {one["strategy"]: one for one in films["strategies"]}
    assert set(asked) | set(films["not asked"]) == set(engine.strategies)
    assert not set(asked) & set(films["not asked"])
    (understood,) = engine.domains.understand(answer.request, engine.memory)
    for name in ("text", "structured", "title"):
        found = engine.strategies[name].retrieve(understood.query, understood.catalogue, 50)
        assert asked[name]["brought"] == len(found)
        if len(found):
            assert asked[name]["first"] in (
                None,
                {"id": first(engine, found.numbers[0]), "title": asked[name]["first"]["title"]},
            )
    shown = text_of(engine, answer.id)
    assert "decided by: bandit" in shown
    assert re.search(r"the request: .*digits 1", shown, re.DOTALL)
    assert re.search(r"asked structured +\d+%  brought \d+, first: The Apartment", shown)
    assert max(map(len, shown.splitlines())) <= 140


def first(engine: Engine, number: int) -> str:
    return engine.domains.get("films").snapshot.ids_of([int(number)])[int(number)]


def test_contributions_sum_to_the_total(engine: Engine) -> None:
    engine.feedback(answer := engine.ask("love"), answer.results[0], action="play")
    shown = text_of(engine, engine.ask("love").id)
    sums = re.findall(r"^ +(-?\d+\.\d{3}) = (.+(?:\n +[a-z ]+ [+-].+)*)", shown, re.MULTILINE)
    assert len(sums) == len(answer.results)
    for total, parts in sums:
        values = [float(value) for value in re.findall(r"[+-]\d+\.\d{3}", parts)]
        assert sum(values) == pytest.approx(float(total), abs=0.0006 * (len(values) + 1))
    assert "remembered: weight 2 in 1 showings" in shown


def test_chances_are_those_that_were_logged(engine: Engine) -> None:
    for seed in range(200):
        answer = engine.ask("love", domain="films", limit=6, seed=seed)
        engine.log.append().result()
        event = engine.log.find(answer.id)
        assert event is not None
        learning = event.body["learning"]["films"]
        if learning["reserved"] >= 0:
            break
    results = explained(engine, answer.id)["explanation"]["films"]["results"]
    assert [results[result.id]["kept"] for result in answer.results] == [row[0] for row in learning["propensity"]]
    assert [results[result.id]["stands"] for result in answer.results] == [row[1] for row in learning["propensity"]]
    assert [results[result.id]["tried"] for result in answer.results].index(True) == learning["reserved"]
    shown = text_of(engine, answer.id)
    assert shown.count("this place was given away") == 1
    assert f"place {learning['reserved'] + 1} of films: chance" in shown


def test_a_broken_strategy_is_said_to_be_left_out(engine: Engine) -> None:
    engine.bandit.lessons.of("films").broken = frozenset({"text"})
    for seed in range(200):  # it is asked once in ten requests
        answer = engine.ask("love", domain="films", seed=seed)
        if any(chosen.strategy == "text" for chosen in answer.selection):
            break
    assert re.search(r"asked text +10%  brought \d, left out: it is broken at present", text_of(engine, answer.id))


def test_a_policy_that_does_not_learn_is_explained_too(tmp_path: Path, encoder: OnnxEncoder) -> None:
    with Engine.open(tmp_path / "store", encoder=encoder, policy=ReciprocalRankFusion()) as engine:
        engine.index([{"id": "a", "title": "Love"}, {"id": "b", "title": "Love Story"}], domain="films")
        answer = engine.ask("love")
        films = explained(engine, answer.id)["explanation"]["films"]
        assert films["decided by"] == "a policy that does not learn"
        assert films["results"] == {}
        shown = text_of(engine, answer.id)
        assert re.search(r"asked text +100%  for 50", shown)
        assert "chance" not in shown


def test_what_is_gone_is_still_explained(engine: Engine) -> None:
    answer = engine.ask("psycho", domain="films")
    before = text_of(engine, answer.id)
    assert "first: Psycho" in before
    engine.delete(["f2"], domain="films")
    assert text_of(engine, answer.id) == before


def test_an_unknown_answer(engine: Engine) -> None:
    with pytest.raises(NotFound, match="There is no answer 'none'"):
        explained(engine, "none")


def test_titles_cannot_command_the_terminal(engine: Engine) -> None:
    engine.index([{"id": "x", "title": "Love \x1b[31m"}], domain="films")
    assert "\x1b" not in text_of(engine, engine.ask("love", domain="films").id)
    assert np.all(
        [character.isprintable() or character == "\n" for character in text_of(engine, engine.ask("love").id)]
    )
