"""Requests, feedback and deletions that make no sense: refused with a clear error, and nothing is learned from them."""

from collections.abc import Callable
from typing import Any

import pytest

from segue.engine import Engine
from segue.errors import InvalidInput, NotFound, SegueError, Unavailable

from .clear import refused
from .conftest import Built

MB = 1_000_000

REQUESTS: list[tuple[str, dict[str, Any], type[SegueError], tuple[str, ...]]] = [
    ("empty query", {"text": ""}, InvalidInput, ("empty", "mary poppins")),
    ("query of spaces", {"text": " \t\n  "}, InvalidInput, ("empty",)),
    ("query of NUL alone", {"text": "\0\0\0"}, InvalidInput, ("empty",)),
    ("query of 1 MB", {"text": "x" * MB}, InvalidInput, ("1,000,000 characters", "1,000", "fewer words")),
    ("query of 1,001 letters", {"text": "x" * 1001}, InvalidInput, ("1,001 characters",)),
    ("query that is None", {"text": None}, InvalidInput, ("NoneType", "string")),
    ("query that is a number", {"text": 7}, InvalidInput, ("int", "string")),
    ("query in bytes", {"text": b"emma"}, InvalidInput, ("bytes", "string")),
    ("query that is a list", {"text": ["emma"]}, InvalidInput, ("list", "string")),
    ("query with half of a character", {"text": "emma \ud83d"}, InvalidInput, ("surrogate", "Unicode")),
    ("limit 0", {"limit": 0}, InvalidInput, ("limit is 0", "1 to 100")),
    ("limit below zero", {"limit": -1}, InvalidInput, ("limit is -1",)),
    ("limit 101", {"limit": 101}, InvalidInput, ("limit is 101", "1 to 100")),
    ("limit of 25 digits", {"limit": 10**25}, InvalidInput, ("limit is 1000", "1 to 100")),
    ("limit 2.5", {"limit": 2.5}, InvalidInput, ("limit is 2.5", "whole number")),
    ("limit that is not a number", {"limit": float("nan")}, InvalidInput, ("limit is nan",)),
    ("limit in words", {"limit": "ten"}, InvalidInput, ("limit is 'ten'",)),
    ("limit true", {"limit": True}, InvalidInput, ("limit is True",)),
    ("limit None", {"limit": None}, InvalidInput, ("limit is None",)),
    ("seed below zero", {"seed": -1}, InvalidInput, ("seed is -1",)),
    ("seed of 64 bits", {"seed": 2**63}, InvalidInput, ("seed is 9223372036854775808",)),
    ("seed in words", {"seed": "dice"}, InvalidInput, ("seed is 'dice'",)),
    ("unknown domain", {"domain": "songs"}, NotFound, ("songs", "books, films")),
    ("domain in capitals", {"domain": "Films"}, NotFound, ("Films", "books, films")),
    ("domain that leads out of the store", {"domain": "../films"}, NotFound, ("../films", "books, films")),
    ("domain without a name", {"domain": ""}, NotFound, ("''", "books, films")),
    ("domain that is a number", {"domain": 7}, InvalidInput, ("domain is '7'", "name of a domain")),
    ("domains in a list", {"domain": ["films"]}, InvalidInput, ("films", "name of a domain")),
    ("domain of 1 MB", {"domain": "d" * MB}, InvalidInput, ("ddd", "name of a domain")),
    ("context that is a string", {"context": "tv"}, InvalidInput, ("context is a str", "device")),
    ("context that is a list", {"context": [("device", "tv")]}, InvalidInput, ("context is a list",)),
    ("context with a number", {"context": {"hour": 20}}, InvalidInput, ("20", "strings")),
    ("context with a number for a name", {"context": {7: "tv"}}, InvalidInput, ("7", "strings")),
    ("context in itself", {"context": {"a": {"b": "c"}}}, InvalidInput, ("b", "strings")),
    ("context of 33 entries", {"context": {str(i): "" for i in range(33)}}, InvalidInput, ("33 entries", "32")),
    ("context value of 1 MB", {"context": {"device": "t" * MB}}, InvalidInput, ("ttt", "200")),
    ("context with half of a character", {"context": {"device": "\ud800"}}, InvalidInput, ("surrogate",)),
    ("answer id without letters", {"id": ""}, InvalidInput, ("id ''", "1 to 100")),
    ("answer id of 101 letters", {"id": "x" * 101}, InvalidInput, ("id 'xxx", "1 to 100")),
    ("answer id of 1 MB", {"id": "x" * MB}, InvalidInput, ("id 'xxx", "1 to 100")),
    ("answer id with a slash", {"id": "../../etc"}, InvalidInput, ("../../etc",)),
    ("answer id with a line break", {"id": "a\n"}, InvalidInput, ("id",)),
    ("answer id that is a number", {"id": 7}, InvalidInput, ("id '7'",)),
    ("answer id that is there already", {"id": "first"}, InvalidInput, ("first", "answer")),
]


@pytest.mark.parametrize(
    ("given", "kind", "words"), [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS]
)
def test_request_is_refused(
    shop: Engine, given: dict[str, Any], kind: type[SegueError], words: tuple[str, ...]
) -> None:
    answers = shop.memory.answers
    with refused(kind, *words):
        shop.ask(**({"text": "mary poppins"} | given))
    shop.log.append().result()
    assert shop.memory.answers == answers


ODD = {
    "marks only": "!!!",
    "an emoji": "🎬",
    "a space of no width": "\u200b",
    "a word of 1,000 letters": "a" * 1000,
    "operators": "OR AND NOT",
    "an open quote": '"title:',
    "open brackets": "(((",
    "a star": "*",
    "a field and a boost": "field:value^9999",
    "control characters": "\x01\x02",
    "text turned around": "\u202eopop",
    "format marks": "%s%n",
    "SQL": "'; DROP TABLE items; --",
}


@pytest.mark.parametrize("text", ODD.values(), ids=[f"query of {name}" for name in ODD])
def test_query_that_is_odd_is_answered(shop: Engine, text: str) -> None:
    answer = shop.ask(text)
    assert answer.request.text == text.strip()
    assert shop.answer(answer.id)["id"] == answer.id


HALF = "\ud800"
FEEDBACK: list[tuple[str, dict[str, Any], type[SegueError], tuple[str, ...]]] = [
    ("unknown answer", {"answer": "nobody"}, NotFound, ("nobody", "ask again")),
    ("answer without an id", {"answer": ""}, NotFound, ("answer ''",)),
    ("answer id of 1 MB", {"answer": "a" * MB}, NotFound, ("answer 'aaa",)),
    ("answer id with half of a character", {"answer": HALF}, NotFound, ("answer",)),
    ("answer that is a number", {"answer": 7}, InvalidInput, ("answer is a int", "id")),
    ("answer that is None", {"answer": None}, InvalidInput, ("answer is a NoneType", "id")),
    ("answer that is a list", {"answer": ["first"]}, InvalidInput, ("answer is a list", "id")),
    ("item that is not in the catalogue", {"item": "f99"}, NotFound, ("f99", "among its results")),
    ("item that the answer did not show", {"item": "b2"}, NotFound, ("b2", "among its results")),
    ("item without an id", {"item": ""}, NotFound, ("''", "among its results")),
    ("item id of 1 MB", {"item": "i" * MB}, NotFound, ("iii", "among its results")),
    ("item that is a number", {"item": 5}, NotFound, ("5", "among its results")),
    ("item with half of a character", {"item": HALF}, NotFound, ("ud800", "among its results")),
    ("item of another domain", {"domain": "books"}, NotFound, ("f5", "'books'")),
    ("item of an unknown domain", {"domain": "songs"}, NotFound, ("f5", "'songs'")),
    ("unknown action", {"action": "stare"}, InvalidInput, ("stare", "click, play", "segue.json")),
    ("action without a name", {"action": ""}, InvalidInput, ("''", "click, play")),
    ("action in capitals", {"action": "CLICK"}, InvalidInput, ("CLICK", "click, play")),
    ("action of 1 MB", {"action": "a" * MB}, InvalidInput, ("aaa", "click, play")),
    ("action that is a number", {"action": 1}, InvalidInput, ("1", "click, play")),
    ("action that is a list", {"action": ["click"]}, InvalidInput, ("click", "click, play")),
    ("undo of nothing", {"item": "f1", "action": "undo"}, InvalidInput, ("nothing to undo", "f1")),
    ("feedback id without letters", {"id": ""}, InvalidInput, ("id ''", "1 to 100")),
    ("feedback id of 1 MB", {"id": "x" * MB}, InvalidInput, ("id 'xxx", "1 to 100")),
    ("feedback id with a space", {"id": "a b"}, InvalidInput, ("a b", "1 to 100")),
    ("feedback id with half of a character", {"id": HALF}, InvalidInput, ("id", "1 to 100")),
    ("feedback id that is a number", {"id": 7}, InvalidInput, ("id '7'",)),
    ("feedback id that is an answer's", {"id": "first"}, InvalidInput, ("first", "id")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kind", "words"), [case[1:] for case in FEEDBACK], ids=[case[0] for case in FEEDBACK]
)
def test_feedback_is_refused(
    shop: Engine, built: Built, given: dict[str, Any], kind: type[SegueError], words: tuple[str, ...]
) -> None:
    feedback = shop.memory.feedback
    with refused(kind, *words):
        shop.feedback(**({"answer": built.answer, "item": "f5", "action": "click"} | given))
    assert shop.memory.feedback == feedback


def test_feedback_sent_twice_counts_once(scratch: Engine) -> None:
    shop = scratch
    answer = shop.ask("emma", domain="books")
    first = shop.feedback(answer, "b2", action="click", id="e1")
    digest = shop.memory.digest()
    again = shop.feedback(answer, "b2", action="click", id="e1")
    assert (again.id, again.item) == (first.id, first.item)
    assert shop.memory.digest() == digest
    shop.feedback(answer, "b2", action="undo", id="u1")
    undone = shop.memory.digest()
    shop.feedback(answer, "b2", action="undo", id="u1")  # the client did not hear of the first
    assert shop.memory.digest() == undone


def test_feedback_id_used_for_something_else(scratch: Engine) -> None:
    shop = scratch
    answer = shop.ask("emma", domain="books")
    shop.feedback(answer, "b2", action="click", id="e1")
    digest = shop.memory.digest()
    with refused(InvalidInput, "e1"):
        shop.feedback(answer, "b1", action="buy", id="e1")
    assert shop.memory.digest() == digest


def test_item_in_two_domains(shop: Engine) -> None:
    shop.index([{"id": "b2", "title": "Emma"}], domain="more")
    answer = shop.ask("emma")
    assert {result.domain for result in answer.results if result.id == "b2"} == {"books", "more"}
    shop.answer(answer.id)  # it is on disk, and learned
    digest = shop.memory.digest()
    with refused(InvalidInput, "b2", "2 domains", "domain="):
        shop.feedback(answer, "b2", action="click")
    assert shop.memory.digest() == digest


def test_answer_that_is_not_there(shop: Engine) -> None:
    for id in ("nobody", "", "a" * MB, HALF, "first\0"):
        with refused(NotFound, "no answer"):
            shop.answer(id)
    shop.feedback("first", "f5", action="click", id="e1")
    shop.feedback("first", "f5", action="undo", id="e2")
    with refused(NotFound, "no answer", "e1"):
        shop.answer("e1")  # an event, and no answer


DELETE: list[tuple[str, dict[str, Any], type[SegueError], tuple[str, ...]]] = [
    ("from an unknown domain", {"domain": "songs"}, NotFound, ("songs", "books, films")),
    ("one id that is no list", {"ids": "f1"}, InvalidInput, ("ids", "list")),
    ("ids that are numbers", {"ids": [1, 2]}, InvalidInput, ("ids", "strings")),
    ("ids that are None", {"ids": None}, InvalidInput, ("ids", "list")),
    ("an id that is a list", {"ids": [["f1"]]}, InvalidInput, ("ids", "strings")),
]


@pytest.mark.parametrize(
    ("given", "kind", "words"), [case[1:] for case in DELETE], ids=[f"delete {case[0]}" for case in DELETE]
)
def test_deletion_is_refused(
    shop: Engine, given: dict[str, Any], kind: type[SegueError], words: tuple[str, ...]
) -> None:
    with refused(kind, *words):
        shop.delete(**({"ids": ["f1"], "domain": "films"} | given))


@pytest.mark.parametrize(
    "ids",
    [[], [""], ["nobody"], ["x" * MB], [HALF], ["f1\0"], ["F1"], ["f1' OR '1'='1"], ["%"]],
    ids=[
        "no id",
        "an empty id",
        "an unknown id",
        "an id of 1 MB",
        "half of a character",
        "NUL",
        "capitals",
        "SQL",
        "a wildcard",
    ],
)
def test_deletion_of_what_is_not_there_deletes_nothing(shop: Engine, ids: list[str]) -> None:
    assert shop.delete(ids, domain="films") == []


CLOSED: list[tuple[str, Callable[[Engine], Any]]] = [
    ("ask", lambda shop: shop.ask("emma")),
    ("feedback", lambda shop: shop.feedback("first", "f5", action="click")),
    ("answer", lambda shop: shop.answer("first")),
]


@pytest.mark.parametrize("call", [case[1] for case in CLOSED], ids=[f"{case[0]} of a closed engine" for case in CLOSED])
def test_closed_engine(built: Built, shop: Engine, call: Callable[[Engine], Any]) -> None:
    other = Engine.open(shop.store.folder, encoder=shop.encoder)
    other.close()
    with refused(Unavailable, "closed", "open the store again"):
        call(other)
    other.close()
