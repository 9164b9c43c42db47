"""A request's whole way, and back."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import segue.engine as module
from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import InvalidInput, NotFound
from segue.records import Answer, Result
from segue.retrieve.select import ReciprocalRankFusion

FILMS: list[dict[str, Any]] = [
    {"id": "f1", "title": "Mary Poppins", "genres": ["comedy", "musical"], "year": 1964, "votes": 900},
    {"id": "f2", "title": "Psycho", "genres": ["horror"], "year": 1960, "votes": 950},
    {"id": "f4", "title": "Love Story", "genres": ["romance", "drama"], "year": 1970, "votes": 400},
    {"id": "f5", "title": "Love Actually", "genres": ["romance", "comedy"], "year": 2003, "votes": 990},
    {"id": "f7", "title": "Play Misty for Me", "genres": ["thriller"], "year": 1971, "votes": 300},
]
BOOKS: list[dict[str, Any]] = [
    {"id": "b1", "title": "Mary Poppins", "author": "P. L. Travers", "year": 1934, "popularity": 90},
    {"id": "b2", "title": "Love in the Time of Cholera", "author": "Gabriel García Márquez", "popularity": 88},
]


def names(answer: Answer) -> list[str]:
    return [f"{result.domain}/{result.id}" for result in answer.results]


def comparable(answer: Answer) -> dict[str, Any]:
    """An answer without its id and its times."""
    return {
        "hypotheses": answer.hypotheses,
        "results": answer.results,
        "selection": answer.selection,
        "trace": {key: value for key, value in answer.trace.items() if key != "milliseconds"},
    }


@pytest.fixture
def other(engine: Engine, encoder: OnnxEncoder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A second engine on the same store, as another process has it; both look around at every request."""
    monkeypatch.setattr(module, "_REFRESH", -1.0)
    with Engine.open(engine.store.folder, encoder=encoder) as opened:
        yield opened


# -- asking ---------------------------------------------------------------------------------------------------------


def test_mary_poppins_is_a_film_and_a_book(engine: Engine) -> None:
    answer = engine.ask("mary poppins")
    assert set(names(answer)[:2]) == {"films/f1", "books/b1"}
    assert {one.domain for one in answer.hypotheses} == {"films", "books"}
    assert sum(one.confidence for one in answer.hypotheses) == pytest.approx(1)
    assert all(0.2 < one.confidence < 0.8 for one in answer.hypotheses)


def test_a_verb_is_not_searched_for_unless_it_is_of_the_title(engine: Engine) -> None:
    asked, plain = engine.ask("play mary poppins please"), engine.ask("mary poppins")
    assert names(asked)[:2] == names(plain)[:2]
    assert asked.hypotheses[0].intent == "play"
    whole = engine.ask("play misty for me")
    assert names(whole)[0] == "films/f7"
    assert whole.hypotheses[0].domain == "films"
    assert names(engine.ask("watch Play Misty for Me"))[0] == "films/f7"


def test_a_domain_that_is_named_is_believed(engine: Engine) -> None:
    assert engine.ask("the movie mary poppins").hypotheses[0].domain == "films"
    assert engine.ask("read the book mary poppins").hypotheses[0].domain == "books"


def test_one_domain_only(engine: Engine) -> None:
    answer = engine.ask("mary poppins", domain="books")
    assert {result.domain for result in answer.results} == {"books"}
    assert [one.confidence for one in answer.hypotheses] == [1]
    assert {chosen.domain for chosen in answer.selection} == {"books"}
    with pytest.raises(NotFound, match=r"no domain 'songs'.*books, films"):
        engine.ask("mary poppins", domain="songs")


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_limits(engine: Engine, limit: int) -> None:
    answer = engine.ask("love", limit=limit)
    assert len(answer.results) == min(limit, 12) if limit < 12 else len(answer.results) <= 12
    assert len(set(names(answer))) == len(answer.results)
    scores = [result.score for result in answer.results]
    assert scores == sorted(scores, reverse=True)


def test_the_same_request_has_the_same_answer(engine: Engine) -> None:
    for text in ("love", "comedies from 1960", "mary", "not horror", "🎬"):
        first, again = engine.ask(text, seed=3), engine.ask(text, seed=3)
        assert comparable(first) == comparable(again)
        assert first.id != again.id


def test_an_answer_explains_itself(engine: Engine) -> None:
    answer = engine.ask("comedies from 1960", context={"device": "tv"}, id="mine-1")
    assert answer.id == "mine-1"
    assert answer.request.context == {"device": "tv"}
    assert answer.milliseconds > 0
    assert answer.hypotheses[0].slots == {"genres": "comedies", "year": "1960"}
    asked = {(chosen.domain, chosen.strategy) for chosen in answer.selection}
    assert all(0 < chosen.propensity <= 1 for chosen in answer.selection)
    for result in answer.results:
        assert result.sources
        for name, source in result.sources.items():
            assert (result.domain, name) in asked
            assert source.rank >= 1
    film = next(result for result in answer.results if result.domain == "films")
    assert (film.id, film.title, film.fields["year"]) == ("f8", "The Apartment", 1960)
    (films, *_) = answer.trace["domains"]
    assert films["domain"] == "films"
    assert films["readings"][0]["slots"] == {"genres": "comedies", "year": "1960"}
    assert set(answer.trace["milliseconds"]) >= {"understand", "text", "dense", "rank"}


def test_what_cannot_be_asked(engine: Engine) -> None:
    refused: list[dict[str, Any]] = [
        {"text": ""},
        {"text": "x", "limit": 0},
        {"text": "x", "seed": -1},
        {"text": "x", "id": "a b"},
    ]
    for wrong in refused:
        with pytest.raises(InvalidInput):
            engine.ask(**wrong)


def test_an_empty_store_says_what_to_do(encoder: OnnxEncoder, tmp_path: Path) -> None:
    with Engine.open(tmp_path / "empty", encoder=encoder) as empty:
        with pytest.raises(NotFound, match="Nothing has been indexed yet"):
            empty.ask("mary poppins")
        assert empty.domains.names() == []
        assert empty.recent_answers() == []


def test_another_policy(engine: Engine, encoder: OnnxEncoder) -> None:
    only_title = ReciprocalRankFusion(weights=dict.fromkeys(engine.strategies, 0.0) | {"title": 1.0})
    with Engine.open(engine.store.folder, encoder=encoder, policy=only_title) as opened:
        answer = opened.ask("psycho", domain="films")
        assert [chosen.strategy for chosen in answer.selection] == ["title"]
        assert names(answer) == ["films/f2"]


# -- feedback -------------------------------------------------------------------------------------------------------


def lower(answer: Answer) -> Result:
    return answer.results[min(2, len(answer.results) - 1)]


def test_feedback_on_a_lower_result_makes_it_lead(engine: Engine) -> None:
    before = engine.ask("love", domain="films")
    chosen = lower(before)
    assert before.results[0] != chosen
    engine.feedback(before, chosen, action="play")
    after = engine.ask("love", domain="films")
    assert after.results[0].id == chosen.id
    assert "memory" in after.results[0].sources
    assert engine.ask("love", domain="films").results[0].id == chosen.id
    assert after.trace["memory"][f"films/{chosen.id}"]["weight"] == 2


def test_feedback_on_a_lower_result_makes_its_domain_lead(engine: Engine) -> None:
    for text in ("love", "mary poppins"):
        before = engine.ask(text)
        chosen = next(result for result in before.results if result.domain != before.results[0].domain)
        for _ in range(3):
            engine.feedback(engine.ask(text), chosen, action="play")
        after = engine.ask(text)
        assert (after.results[0].domain, after.results[0].id) == (chosen.domain, chosen.id)
        assert after.hypotheses[0].domain == chosen.domain


def test_words_in_another_order_are_remembered_too(engine: Engine) -> None:
    answer = engine.ask("poppins mary")
    chosen = lower(answer)
    engine.feedback(answer, chosen, action="save")
    assert "memory" in next(one for one in engine.ask("mary poppins").results if one.id == chosen.id).sources


def test_undo_restores_the_answer(engine: Engine) -> None:
    before = engine.ask("love", domain="films")
    engine.feedback(before, lower(before), action="buy")
    assert names(engine.ask("love", domain="films")) != names(before)
    engine.feedback(before, lower(before), action="undo")
    assert names(engine.ask("love", domain="films")) == names(before)
    with pytest.raises(InvalidInput, match="nothing to undo"):
        engine.feedback(before, lower(before), action="undo")
    with pytest.raises(InvalidInput, match="nothing to undo"):
        engine.feedback(before, before.results[0], action="undo")


def test_undo_takes_the_last_action_back(engine: Engine) -> None:
    answer = engine.ask("love", domain="films")
    for action in ("click", "dislike", "undo"):
        engine.feedback(answer, answer.results[0], action=action)
    evidence = engine.memory.evidence("films", "love", [answer.results[0].id])
    assert evidence[answer.results[0].id].weight == 1


def test_the_same_feedback_twice_counts_once(engine: Engine) -> None:
    answer = engine.ask("love", domain="films")
    first = engine.feedback(answer, answer.results[0], action="click", id="event-1")
    digest = engine.memory.digest()
    again, done = engine.send_feedback(answer, answer.results[0], action="click", id="event-1")
    assert done.result() == (False,)
    assert engine.memory.digest() == digest
    assert (first.id, first.item, first.domain) == (again.id, again.item, again.domain)


def test_the_same_undo_twice_counts_once(engine: Engine) -> None:
    """A client that never heard the reply sends it again, and is told that it is known."""
    answer = engine.ask("love", domain="films")
    engine.feedback(answer, answer.results[0], action="click")
    engine.feedback(answer, answer.results[0], action="undo", id="undo-1")
    digest = engine.memory.digest()
    _, done = engine.send_feedback(answer, answer.results[0], action="undo", id="undo-1")
    assert done.result() == (False,)
    assert engine.memory.digest() == digest


def test_feedback_under_the_id_of_an_answer_is_not_swallowed(engine: Engine) -> None:
    """Clients number requests and events as they like: what is acknowledged as new is learned, or it is refused."""
    answer = engine.ask("love", domain="films", id="1")
    try:
        engine.feedback(answer, answer.results[0], action="click", id="1")
    except InvalidInput:
        return
    assert engine.memory.recall("films", "love") == {answer.results[0].id: 1 / 4}


def test_an_answer_under_the_id_of_an_event_is_not_lost(engine: Engine) -> None:
    answer = engine.ask("love", domain="films")
    engine.feedback(answer, answer.results[0], action="click", id="2")
    try:
        engine.ask("mary poppins", id="2")
    except InvalidInput:
        return
    assert engine.answer("2")["request"]["text"] == "mary poppins"


def test_what_feedback_cannot_name(engine: Engine) -> None:
    answer = engine.ask("mary poppins", limit=2)
    with pytest.raises(InvalidInput, match=r"no action 'applaud'.*click"):
        engine.feedback(answer, answer.results[0], action="applaud")
    with pytest.raises(NotFound, match="There is no answer 'unknown'"):
        engine.feedback("unknown", "f1", action="click")
    with pytest.raises(NotFound, match="did not show the item 'f2'"):
        engine.feedback(answer, "f2", action="click")
    with pytest.raises(NotFound, match="did not show the item"):
        engine.feedback(answer, "f1", domain="books", action="click")
    with pytest.raises(InvalidInput, match="cannot be used"):
        engine.feedback(answer, answer.results[0], action="click", id="a b")


def test_an_item_that_two_domains_show_needs_its_domain(engine: Engine) -> None:
    engine.index([{"id": "f1", "title": "Mary Poppins Returns", "author": "Nobody"}], domain="books")
    answer = engine.ask("mary poppins")
    assert {"films/f1", "books/f1"} <= set(names(answer))
    with pytest.raises(InvalidInput, match="in 2 domains"):
        engine.feedback(answer.id, "f1", action="click")
    assert engine.feedback(answer.id, "f1", domain="books", action="click").domain == "books"
    film = next(result for result in answer.results if result.domain == "films" and result.id == "f1")
    assert engine.feedback(answer, film, action="click").domain == "films"


# -- past answers ---------------------------------------------------------------------------------------------------


def test_an_answer_is_found_again(engine: Engine) -> None:
    answer = engine.ask("mary poppins", context={"device": "tv"}, seed=7, limit=3)
    body = engine.answer(answer.id)
    assert body["request"]["text"] == "mary poppins"
    assert (body["request"]["context"], body["request"]["seed"], body["request"]["limit"]) == ({"device": "tv"}, 7, 3)
    assert [f"{one['domain']}/{one['id']}" for one in body["results"]] == names(answer)
    assert [one["confidence"] for one in body["hypotheses"]] == [one.confidence for one in answer.hypotheses]
    assert body["selection"][0]["propensity"] == answer.selection[0].propensity
    for unknown in ("unknown", ""):
        with pytest.raises(NotFound, match="no answer"):
            engine.answer(unknown)
    sent = engine.feedback(answer, answer.results[0], action="click")
    with pytest.raises(NotFound):
        engine.answer(sent.id)


def test_recent_answers_newest_first(engine: Engine) -> None:
    for text in ("one", "two", "three"):
        answer = engine.ask(text)
        engine.feedback(answer, answer.results[0], action="click")
    assert [body["request"]["text"] for body in engine.recent_answers(2)] == ["three", "two"]
    assert len(engine.recent_answers()) == 3


# -- one store, several lives -----------------------------------------------------------------------------------------


def test_a_store_opened_again_knows_all(engine: Engine, encoder: OnnxEncoder) -> None:
    first = engine.ask("love")
    engine.feedback(first, lower(first), action="play")
    expected = engine.ask("love")
    engine.log.append().result()  # the answer is on disk and learned
    digest = engine.memory.digest()
    engine.close()
    with Engine.open(engine.store.folder, encoder=encoder, create=False) as again:
        assert again.memory.digest() == digest
        found = again.ask("love")
        assert found.hypotheses == expected.hypotheses
        assert names(found)[0] == names(expected)[0]  # what was only shown since counts, too, further down
        assert again.answer(first.id)["id"] == first.id
        again.feedback(first.id, lower(first).id, domain=lower(first).domain, action="undo")
        assert digest != again.memory.digest()


def test_another_process_sees_what_was_indexed_and_learned(engine: Engine, other: Engine) -> None:
    assert names(other.ask("psycho killer")) == names(engine.ask("psycho killer"))
    engine.index([{"id": "new", "title": "Psycho Killer", "votes": 10}], domain="films")
    assert names(other.ask("psycho killer"))[0] == "films/new"
    engine.delete(["new"], domain="films")
    assert "films/new" not in names(other.ask("psycho killer"))
    engine.index([{"id": "s1", "title": "Psycho Killer", "artist": "Talking Heads"}], domain="songs")
    assert "songs/s1" in names(other.ask("psycho killer"))
    answer = engine.ask("love", domain="films")
    engine.feedback(answer, lower(answer), action="play")
    assert other.ask("love", domain="films").results[0].id == lower(answer).id
    for one in (other, engine, other):
        one.log.append().result()  # its answers are on disk
        one.log.refresh()
    assert other.memory.digest() == engine.memory.digest()


def test_feedback_reaches_an_answer_of_another_process(engine: Engine, other: Engine) -> None:
    answer = engine.ask("love", domain="films")
    engine.answer(answer.id)  # it is on disk
    assert other.feedback(answer.id, answer.results[0].id, action="click").domain == "films"
    engine.feedback(answer, answer.results[0], action="undo")
    assert engine.memory.recall("films", "love") == {}


def test_processes_agree_on_the_choice_between_domains(
    encoder: OnnxEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REFRESH", -1.0)
    with (
        Engine.open(tmp_path / "store", encoder=encoder) as writer,
        Engine.open(tmp_path / "store", encoder=encoder) as server,
    ):
        writer.index(FILMS, domain="films")
        writer.index(BOOKS, domain="books")
        for text in ("mary poppins", "love"):
            assert server.ask(text).hypotheses == writer.ask(text).hypotheses


# -- catalogues -----------------------------------------------------------------------------------------------------


def test_index_and_delete_through_the_engine(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "films.csv"
    file.write_text("id,title,year\n7,Seven,1995\n8,Eight and a Half,1963\n", encoding="utf-8")
    report = engine.index(file, domain="numbers")
    assert (report.added, report.rejected) == (2, 0)
    assert names(engine.ask("seven", domain="numbers"))[0] == "numbers/7"
    assert engine.delete(["8", "nobody"], domain="numbers") == ["8"]
    assert engine.delete_listed(file, domain="numbers") == ["7"]
    with pytest.raises(NotFound, match="no domain"):
        engine.delete(["1"], domain="nowhere")


def test_the_file_that_was_indexed_deletes_what_it_added(engine: Engine, tmp_path: Path) -> None:
    """Ids are read the same way: spaces around them, and whole numbers that a tool wrote as 1.0."""
    file = tmp_path / "films.jsonl"
    file.write_text('{"id": 1.0, "title": "One"}\n{"id": " b ", "title": "B"}\n{"id": 3, "title": "Three"}\n')
    assert engine.index(file, domain="numbers").added == 3
    assert sorted(engine.delete_listed(file, domain="numbers")) == ["1", "3", "b"]


def test_delete_needs_ids(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "films.csv"
    file.write_text("key,title\nf1,Mary Poppins\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="no ids in a column 'id'"):
        engine.delete_listed(file, domain="films")
    assert engine.delete_listed(file, domain="films", id_column="key") == ["f1"]


def test_a_file_that_is_not_there_makes_no_domain(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        engine.index(tmp_path / "nothing.csv", domain="films2")
    with pytest.raises(InvalidInput, match="cannot be the name"):
        engine.index([{"id": "1", "title": "a"}], domain="No Domain")
    assert engine.domains.names() == ["books", "films"]
    assert engine.store.domains() == ["books", "films"]


def test_items_that_are_gone_leave_past_answers_readable(engine: Engine) -> None:
    answer = engine.ask("mary poppins", domain="films")
    engine.delete([answer.results[0].id], domain="films")
    body: Mapping[str, Any] = engine.answer(answer.id)
    assert body["results"][0]["title"] == answer.results[0].title
    engine.feedback(answer, answer.results[0], action="click")
    assert answer.results[0].id not in [result.id for result in engine.ask("mary poppins", domain="films").results]


def test_a_refused_file_leaves_no_domain_behind(engine: Engine) -> None:
    with pytest.raises(InvalidInput):
        engine.index([{"id": "", "title": ""}], domain="nothing")
    assert not engine.store.domain("nothing").exists()
    assert engine.domains.names() == ["books", "films"]


def test_an_id_is_taken_before_its_answer_is_on_disk(engine: Engine) -> None:
    for number in range(20):  # the log writes behind the answer's back
        engine.ask("love", id=f"twice-{number}")
        with pytest.raises(InvalidInput, match="is taken"):
            engine.ask("mary poppins", id=f"twice-{number}")
