"""Bad HTTP requests: a problem (RFC 9457) with a status of 4xx that says what is wrong, and a server that goes on."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from segue.engine import Engine
from segue.serve.http import LONGEST_BODY, make_app

from .clear import assert_clear

JSON = {"content-type": "application/json"}
ASK, ACT, ITEMS = "/v1/requests", "/v1/feedback", "/v1/domains/films/items"


@pytest.fixture
def client(shop: Engine) -> Iterator[TestClient]:
    with TestClient(make_app(shop), base_url="http://localhost", raise_server_exceptions=False) as opened:
        yield opened
        assert opened.get("/healthz").json()["status"] == "ok"
        assert opened.post(ASK, json={"text": "mary poppins"}).status_code == 200


def body(**fields: Any) -> bytes:
    return orjson.dumps(fields)


def asked(**changes: Any) -> bytes:
    return body(**({"text": "mary poppins"} | changes))


def acted(**changes: Any) -> bytes:
    return body(**({"answer": "first", "item": "f5", "action": "click"} | changes))


Case = tuple[str, str, str, dict[str, str], bytes, int, tuple[str, ...]]


def post(case: str, path: str, content: bytes, status: int, *words: str, **headers: str) -> Case:
    return (
        case,
        "POST",
        path,
        JSON | {name.replace("_", "-"): value for name, value in headers.items()},
        content,
        status,
        words,
    )


def put(case: str, path: str, content: bytes, status: int, *words: str) -> Case:
    return (case, "PUT", path, JSON, content, status, words)


def get(case: str, path: str, status: int, *words: str) -> Case:
    return (case, "GET", path, {}, b"", status, words)


MB = 1024 * 1024
CASES: list[Case] = [
    post("request without a body", ASK, b"", 422, "body"),
    post("request that is not JSON", ASK, b"text=emma", 422, "json"),
    post("request cut off in the middle", ASK, asked()[:-5], 422, "json"),
    post("request in latin-1", ASK, b'{"text": "caf\xe9"}', 400, "body"),
    post("request in UTF-16", ASK, '{"text": 7}'.encode("utf-16"), 422, "text"),
    post("request that is an array", ASK, b'["emma"]', 422, "object"),
    post("request that is a string", ASK, b'"emma"', 422, "object"),
    post("request that is null", ASK, b"null", 422, "body"),
    post("request without a text", ASK, b"{}", 422, "text", "required"),
    post("request with an empty text", ASK, asked(text=""), 422, "empty"),
    post("request with a text of 200 KB", ASK, asked(text="x" * 200_000), 422, "200,000 characters"),
    post("request of 1 MB", ASK, asked(text="x" * MB), 413, "bytes", f"{LONGEST_BODY:,}"),
    post("request with a text that is a number", ASK, asked(text=7), 422, "text", "string"),
    post("request with a text that is null", ASK, asked(text=None), 422, "text", "string"),
    post("request with a text that is a list", ASK, asked(text=["emma"]), 422, "text", "string"),
    post("request with half of a character", ASK, b'{"text": "\\ud800"}', 422, "text"),
    post("request with a limit in words", ASK, asked(limit="10"), 422, "limit", "integer"),
    post("request with limit 0", ASK, asked(limit=0), 422, "limit is 0"),
    post("request with limit 1.5", ASK, asked(limit=1.5), 422, "limit", "integer"),
    post("request with limit true", ASK, asked(limit=True), 422, "limit", "integer"),
    post("request with limit NaN", ASK, b'{"text": "emma", "limit": NaN}', 422, "limit"),
    post("request with a limit of 5,000 digits", ASK, b'{"text": "emma", "limit": ' + b"9" * 5000 + b"}", 400, "body"),
    post("request with a seed below zero", ASK, asked(seed=-1), 422, "seed is -1"),
    post("request with a field that nobody knows", ASK, asked(colour="red"), 422, "colour", "extra"),
    post("request with a field that is half of a character", ASK, b'{"text": "emma", "\\ud800": 1}', 422, "unicode"),
    post("request with 1,000 fields that nobody knows", ASK, asked(**{f"f{i}": i for i in range(1000)}), 422, "extra"),
    post("request with a context that is a list", ASK, asked(context=["tv"]), 422, "context"),
    post("request with a context of numbers", ASK, asked(context={"hour": 20}), 422, "context.hour", "string"),
    post("request with a context of 33 entries", ASK, asked(context={str(i): "" for i in range(33)}), 422,
        "33 entries"),
    post("request in a domain that is not there", ASK, asked(domain="songs"), 404, "songs", "books, films"),
    post("request with an id that cannot be", ASK, asked(id="a/b"), 422, "a/b"),
    post("request with an id that is taken", ASK, asked(id="first"), 422, "first"),
    post("request nested 100,000 deep", ASK, b"[" * 100_000 + b"]" * 100_000, 400, "body"),
    post("request with a context nested 900 deep", ASK,
        b'{"text": "emma", "context": ' + b"[" * 900 + b"]" * 900 + b"}", 422, "context"),
    post("request sent as a form", ASK, b"text=emma", 415, "form", "application/json",
        content_type="application/x-www-form-urlencoded"),
    post("request sent as text", ASK, asked(), 415, "text/plain", "application/json", content_type="text/plain"),
    post("request with an empty content type", ASK, asked(), 415, "application/json", content_type=""),
    post("request with a content type of 10,000 letters", ASK, asked(), 415, "xxx", content_type="x" * 10_000),
    post("request to another host", ASK, asked(), 421, "evil.example", "localhost", host="evil.example"),
    post("request to a host with our name in front", ASK, asked(), 421, "localhost.evil",
        host="localhost.evil.example"),
    post("request to a host of 10,000 letters", ASK, asked(), 421, "hhh", host="h" * 10_000),
    post("request without a host", ASK, asked(), 421, "localhost", host=""),
    post("request that says it has 1 TB", ASK, asked(), 413, "1,099,511,627,776", content_length=str(2**40)),
    post("feedback without an item", ACT, body(answer="first", action="click"), 422, "item", "required"),
    post("feedback on an unknown answer", ACT, acted(answer="nobody"), 404, "nobody", "ask again"),
    post("feedback on an answer with an id of 200 KB", ACT, acted(answer="a" * 200_000), 404, "aaa"),
    post("feedback on an item that was not shown", ACT, acted(item="b2"), 404, "b2"),
    post("feedback on an item with an id of 200 KB", ACT, acted(item="i" * 200_000), 404, "iii"),
    post("feedback with an unknown action", ACT, acted(action="stare"), 422, "stare", "click, play"),
    post("feedback with an action that is a list", ACT, acted(action=["click"]), 422, "action", "string"),
    post("feedback with an empty id", ACT, acted(id=""), 422, "id"),
    post("feedback with a number for an item", ACT, acted(item=5), 422, "item", "string"),
    post("feedback with an id that is an answer's", ACT, acted(id="first"), 422, "first"),
    put("items that are no list", ITEMS, body(items={"id": "f1"}), 422, "items", "list"),
    put("no items", ITEMS, body(items=[]), 422, "items", "at least 1"),
    put("10,001 items", ITEMS, body(items=[{}] * 10_001), 422, "items", "10000"),
    put("items that are strings", ITEMS, body(items=["f1"]), 422, "items.0"),
    put("items without an id", ITEMS, body(items=[{"title": "Alien"}]), 422, "the id", "'title'"),
    put("items that are empty", ITEMS, body(items=[{}]), 422, "line 1", "empty"),
    put("items with half of a character", ITEMS, b'{"items": [{"id": "x", "title": "\\ud800"}]}', 422, "line 1",
        "surrogate"),
    put("items with a column that is half of a character", ITEMS, b'{"items": [{"\\ud800": 1, "id": "f1"}]}', 422),
    put("items with popularity NaN", ITEMS, b'{"items": [{"id": "x", "title": "y", "votes": NaN}]}', 422,
        "line 1", "nan"),
    put("items with a title 500 arrays deep", ITEMS,
        b'{"items": [{"id": "x", "title": ' + b"[" * 500 + b"]" * 500 + b"}]}", 422, "no title"),
    put("items into a domain that cannot be", "/v1/domains/Films!/items",
        body(items=[{"id": "x", "title": "y"}]), 422, "Films!", "films"),
    put("items into a domain of 250 letters", "/v1/domains/" + "d" * 250 + "/items",
        body(items=[{"id": "x", "title": "y"}]), 422, "domain"),
    put("items with columns that cannot be told", "/v1/domains/songs/items", body(items=[{"a": 1, "b": 2}]),
        422, "the id", "'a', 'b'"),
    put("body of 33 MB of items", ITEMS, b" " * (33 * MB), 413, "bytes"),
    ("deletion of ids that are numbers", "DELETE", ITEMS, JSON, body(ids=[1]), 422, ("ids", "string")),
    ("deletion without a body", "DELETE", ITEMS, JSON, b"", 422, ("body",)),
    ("deletion in a domain that is not there", "DELETE", "/v1/domains/songs/items", JSON, body(ids=["f1"]), 404,
        ("songs",)),
    ("deletion sent as text", "DELETE", ITEMS, {"content-type": "text/plain"}, body(ids=["f1"]), 415, ("text/plain",)),
    get("unknown route", "/v1/nothing", 404, "/v1/nothing", "found"),
    get("unknown page", "/nothing.html", 404, "/nothing.html", "found"),
    get("path that climbs out", "/../../../../etc/passwd", 404, "found"),
    get("path that climbs out, escaped", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", 404, "found"),
    get("path that climbs out with backslashes", "/..%5c..%5cetc%5cpasswd", 404, "found"),
    get("path with NUL", "/index.html%00.png", 404, "found"),
    get("path of 5,000 letters", "/" + "p" * 5000, 404, "found"),
    get("answer that is not there", "/v1/answers/nobody", 404, "nobody"),
    get("answer id with NUL", "/v1/answers/a%00b", 404, "no answer"),
    get("answer id of 201 letters", "/v1/answers/" + "a" * 201, 422, "id", "200"),
    get("answer id that is not UTF-8", "/v1/answers/%ff%fe", 404, "no answer"),
    get("answers with limit 0", "/v1/answers?limit=0", 422, "limit", "1"),
    get("answers with limit 201", "/v1/answers?limit=201", 422, "limit", "200"),
    get("answers with a limit in words", "/v1/answers?limit=all", 422, "limit", "integer"),
    get("reading where only sending is possible", ASK, 404, "GET /v1/requests", "found"),
    post("sending where only reading is possible", "/v1/domains", b"{}", 405, "method"),
    ("unknown method", "PATCH", ASK, JSON, b"{}", 405, ("method",)),
    ("method that nobody knows", "BREW", ASK, JSON, b"{}", 405, ("method",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status", "words"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_bad_http_request(
    client: TestClient,
    method: str,
    path: str,
    headers: dict[str, str],
    content: bytes,
    status: int,
    words: tuple[str, ...],
) -> None:
    response = client.request(method, path, headers=headers, content=content)
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    problem = response.json()
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert_clear(problem["detail"].rstrip(".") + ".", *words)


@pytest.mark.parametrize(
    ("path", "size"), [(ASK, LONGEST_BODY + 1), (ITEMS, 33 * MB)], ids=["endless request", "endless items"]
)
def test_body_without_a_length(client: TestClient, path: str, size: int) -> None:
    """A body sent in pieces, whose length nobody has told, is cut off at the limit."""
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(0, size + MB, 64 * 1024):
            sent += 64 * 1024
            yield b" " * (64 * 1024)

    response = client.request("POST" if path == ASK else "PUT", path, headers=JSON, content=pieces())
    assert response.status_code == 413, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert_clear(response.json()["detail"], "bytes")


def test_good_items_beside_bad_ones(client: TestClient, shop: Engine) -> None:
    rows = [
        {"id": "s1", "title": "One", "plays": 3},
        {"id": "s2"},
        {"id": "s1", "title": "Again"},
        {"id": "s3", "title": "Two", "plays": 5},
    ]
    response = client.put("/v1/domains/songs/items", json={"items": rows})
    assert response.status_code == 200
    report = response.json()
    assert report["added"] == 2
    assert [row["row"] for row in report["rejected"]] == [2, 3]
    assert set(shop.domains.get("songs").snapshot.numbers_of(["s1", "s2", "s3"])) == {"s1", "s3"}
    gone = client.request("DELETE", "/v1/domains/songs/items", json={"ids": ["s1", "nobody", "", "s'1"]})
    assert gone.json() == {"deleted": ["s1"], "unknown": ["nobody", "", "s'1"]}
