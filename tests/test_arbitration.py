"""Between domains, in the engine: live readers and re-rankers, a question asked back, nobody's, and what people correct."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segue.engine as module
from segue.answers import to_body
from segue.arbitration import asked_back, decided
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.live_readers import publish
from segue.recipes.train_reader import folder, train_reader
from segue.recipes.train_reranker import train_reranker
from segue.records import Hypothesis, Result
from segue.store import Store
from segue.understand.interpreter import RERANKERS, Interpreter
from segue.understand.reranker import product
from tests.spoken import write
from tests.spoken_at_home import BOTH, TITLES, UTTERANCES


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("said") / "requests.jsonl", UTTERANCES)


@pytest.fixture(scope="module")
def trained(data: Path) -> Path:
    train_reader(data, data.parent / "model", processes=1)
    train_reranker(data, data.parent / "model", processes=1)
    return data.parent / "model"


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "model"))


def go_live(engine: Engine, model: Path, domains: Sequence[str] = ("books", "films", "home")) -> None:
    publish(engine.store, {name: (folder(model, name), folder(model / RERANKERS, name)) for name in domains})


def shift(model: Path, domain: str, *, by: float) -> None:
    """Make a re-ranker more or less sure of everything."""
    place = folder(model / RERANKERS, domain)
    opened = Interpreter.open(model).rerankers[domain]
    shutil.rmtree(place)
    weights = opened.weights.copy()
    weights[3] += by
    replace(opened, weights=weights).write(place, name="shifted")


@pytest.fixture
def live(engine: Engine, trained: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The store of films and books, with readers for them and for the home; it looks around at every request."""
    monkeypatch.setattr(module, "_REFRESH", -1.0)
    go_live(engine, trained)
    return engine


def test_readers_say_what_is_meant(live: Engine) -> None:
    answer = live.ask("watch psycho")
    first = answer.hypotheses[0]
    assert (first.domain, first.intent, dict(first.slots)) == ("films", "watch", {"title": "psycho"})
    assert {one.domain for one in answer.hypotheses} == {"films", "books", "home"}
    assert (answer.decision, answer.question) == ("clear", None)
    assert answer.results[0].id == "f2"
    assert answer.trace["understanding"]["by"] == "readers"
    read = answer.trace["understanding"]["read"]["films"]
    assert [one["confidence"] for one in read] == sorted((one["confidence"] for one in read), reverse=True)
    found = Interpreter(live.domains._live._readers, live.domains._live._rerankers)  # type: ignore[arg-type]
    alone = found.interpret(["watch psycho"]).guesses()["films"][0]
    assert read[0]["confidence"] == round(alone.confidence, 6)  # as it was calibrated
    assert first.confidence >= alone.confidence  # no other catalogue has this title
    assert live.ask("read emma").hypotheses[0].domain == "books"


def test_two_that_are_close_are_asked_back(live: Engine) -> None:
    answer = live.ask("mary poppins")
    assert answer.decision == "ask"
    assert answer.question is not None
    assert {one.label for one in answer.question.choices} == {"the film", "the book"}
    assert answer.question.text.startswith("Did you mean the ")
    assert [one.title for one in answer.question.choices] == ["Mary Poppins", "Mary Poppins"]
    assert [one.hypothesis for one in answer.question.choices] == list(answer.hypotheses[:2])
    assert {result.domain for result in answer.results[:2]} == {"films", "books"}
    body = to_body(answer)
    assert body["decision"] == "ask"
    assert {choice["domain"] for choice in body["question"]["choices"]} == {"films", "books"}
    assert live.answer(answer.id)["question"] == body["question"]


def test_choosing_teaches(live: Engine) -> None:
    for _ in range(2):
        chosen = live.ask("mary poppins", domain="books")
        assert (chosen.decision, chosen.question) == ("clear", None)
        assert [one.confidence for one in chosen.hypotheses] == [1]
        live.feedback(chosen, chosen.results[0], action="play")
    after = live.ask("mary poppins")
    assert (after.decision, after.hypotheses[0].domain, after.results[0].domain) == ("clear", "books", "books")


def test_what_is_nobodys_is_said_with_the_nearest_guesses(live: Engine, model: Path) -> None:
    for domain in ("books", "films", "home"):
        shift(model, domain, by=-20)
    go_live(live, model)
    answer = live.ask("psycho killers")
    assert (answer.decision, answer.question) == ("nobody's", None)
    assert len(answer.hypotheses) == 3
    assert answer.hypotheses[0].confidence < 0.2
    assert answer.results[0].id == "f2"


def test_a_domain_without_a_catalogue_can_win(live: Engine) -> None:
    answer = live.ask("turn on the lights in the kitchen")
    first = answer.hypotheses[0]
    assert (first.domain, first.intent, dict(first.slots)) == ("home", "switch_on", {"room": "kitchen"})
    assert answer.decision == "clear"
    assert all(result.domain != "home" for result in answer.results)
    alone = live.ask("turn on the lights in the kitchen", domain="home")
    assert [(one.domain, one.confidence) for one in alone.hypotheses] == [("home", 1)]
    assert (alone.results, alone.decision) == ((), "clear")
    assert live.answer(alone.id)["results"] == []


def test_without_a_reader_for_every_catalogue_the_choice_decides(live: Engine) -> None:
    live.index([{"id": "s1", "title": "Yesterday"}], domain="songs")
    answer = live.ask("watch psycho")
    assert answer.trace["understanding"] == {"by": "choice", "without a reader": ["songs"]}
    assert answer.hypotheses[0].domain == "films"
    assert live.ask("watch psycho", domain="films").trace["understanding"]["by"] == "readers"


def test_no_title_is_lost(live: Engine) -> None:
    """What a reader makes of a title's words never keeps the title from being found."""
    for domain, id, title in (
        ("films", "f7", "Play Misty for Me"),
        *(("films", f"f{place}", title) for place, title in enumerate(("Mary Poppins", "Psycho", "The Birds"), 1)),
        ("books", "b2", "Love in the Time of Cholera"),
        ("books", "b4", "Emma"),
    ):
        for before in ("", "watch ", "read ", "show me the film ", "turn on "):
            results = live.ask(before + title.lower(), domain=domain).results
            assert id in [result.id for result in results[:2]], before + title
    assert live.ask("play misty for me").results[0].id == "f7"


def test_words_of_slots_are_searched_for_when_the_catalogue_knows_them(live: Engine) -> None:
    def searched(text: str) -> str:
        return str(live.ask(text, domain="films").trace["domains"][0]["query"])

    assert searched("the movie psycho") == "psycho"
    assert "1960" in searched("the movie psycho from 1960")  # the reader knows no year: nothing is lost
    assert "not" in searched("the movie psycho not horror")
    assert searched("the movie unheard of") == "the movie unheard of"


def test_readers_go_live_and_change_without_a_restart(
    engine: Engine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.ask("watch psycho").trace["understanding"] == {"by": "choice"}
    monkeypatch.setattr(module, "_REFRESH", -1.0)
    go_live(engine, model)
    before = engine.ask("mary poppins").hypotheses
    assert before[0].intent in ("watch", "read")
    shift(model, "films", by=-10)
    go_live(engine, model, ["films"])
    after = {one.domain: one for one in engine.ask("mary poppins").hypotheses}
    for one in before:  # the others' to the last bit
        assert (after[one.domain].confidence == one.confidence) == (one.domain != "films")
    assert after["films"].confidence < 0.05


def test_a_damaged_reader_is_not_used_and_comes_back(live: Engine, model: Path) -> None:
    assert live.ask("psycho").trace["understanding"]["by"] == "readers"
    part = Store.open(live.store.folder).live_parts("understanding-films")["understanding-films"]
    (part / "reader" / "manifest.json").write_text("{}")
    with Engine.open(live.store.folder, encoder=live.encoder) as other:
        assert other.ask("psycho").trace["understanding"]["without a reader"] == ["films"]
    go_live(live, model, ["films"])
    with Engine.open(live.store.folder, encoder=live.encoder) as other:
        assert other.ask("psycho").trace["understanding"]["by"] == "readers"


def test_a_reranker_that_cannot_be_used_leaves_the_choice(live: Engine, model: Path) -> None:
    place = folder(model / RERANKERS, "films")
    opened = Interpreter.open(model).rerankers["films"]
    shutil.rmtree(place)
    replace(product("films", replace(opened.features, local=("another",)))).write(place, name="of another version")
    go_live(live, model, ["films"])
    answer = live.ask("watch psycho")
    assert answer.trace["understanding"]["by"] == "choice"
    assert "local features" in answer.trace["understanding"]["error"]
    assert answer.results[0].id == "f2"


@pytest.fixture
def stored(tmp_path: Path, engine: Engine, int8_folder: Path) -> Iterator[Engine]:
    """The store with its encoder in it, so that another process can open it."""
    shutil.copytree(int8_folder, engine.store.artifacts / "encoder-minilm", dirs_exist_ok=True)
    yield engine


def test_what_went_to_the_wrong_domain_trains_the_reranker(
    stored: Engine, data: Path, model: Path, monkeypatch: pytest.MonkeyPatch, encoder: OnnxEncoder
) -> None:
    monkeypatch.setattr(module, "_REFRESH", -1.0)
    train_reranker(data, model, store=stored.store.folder, processes=1)
    wrong = [f"watch {title}" for title in (*TITLES["films"], *BOTH)]
    wrong = [text for text in wrong if text not in {one.text for one in UTTERANCES}]

    def books(text: str) -> float:
        guesses = stored.ask(text).trace["understanding"]["read"]["books"]
        return float(max(one["confidence"] for one in guesses))

    before = [books(text) for text in wrong]
    for text in wrong:
        answer = stored.ask(text)
        assert answer.hypotheses[0].domain == "films"
        book = next(one for one in stored.ask(text, domain="books").results)
        stored.feedback(stored.ask(text, domain="books"), book, action="play")
    result = train_reranker(data, model, store=stored.store.folder, domain="books", processes=1)
    assert list(result["live"]) == ["books"]
    assert result["corrections"] == {"books": len(wrong)}
    assert np.mean([books(text) for text in wrong]) > np.mean(before)


def test_decisions() -> None:
    def of(*confidences: float) -> str:
        return decided([Hypothesis(f"d{place}", "find", {}, one) for place, one in enumerate(confidences)])

    assert [of(0.9, 0.1), of(0.5, 0.4), of(0.19, 0.01), of(0.6), of(1.0)] == [
        "clear",
        "ask",
        "nobody's",
        "clear",
        "clear",
    ]


def test_a_question_without_results() -> None:
    guesses = [Hypothesis("short_stories", "read", {}, 0.4), Hypothesis("news", "read", {}, 0.4)]
    shown: list[Any] = [Result("1", "One", "news", 1.0, {})]
    question = asked_back(guesses, shown)
    assert question.text == "Did you mean the short story or the news?"
    assert [one.title for one in question.choices] == [None, "One"]


def test_a_title_that_is_there_is_never_nobodys() -> None:
    unsure = [Hypothesis("films", "find", {}, 0.15), Hypothesis("books", "find", {}, 0.05)]
    assert decided(unsure) == "nobody's"
    assert decided(unsure, held=True) == "ask"
    assert decided([replace(unsure[0], confidence=0.19), replace(unsure[1], confidence=0.01)], held=True) == "clear"
