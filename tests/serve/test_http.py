"""The HTTP interface, in process."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from segue.encode.quantised import OnnxEncoder
from segue.engine import Engine
from segue.errors import Corrupt, Unavailable
from segue.live_readers import retire
from segue.recipes import learning_report
from segue.recipes.upgrade.bridge import bridge
from segue.recipes.upgrade.judge import judge
from segue.serve import bodies
from segue.serve.http import LONGEST_BODY, make_app
from segue.serve.problems import problem

JSON = {"content-type": "application/json"}
ROUTES = [
    ("POST", "/v1/requests"),
    ("POST", "/v1/feedback"),
    ("GET", "/v1/answers/{id}"),
    ("GET", "/v1/answers"),
    ("GET", "/v1/domains"),
    ("GET", "/v1/actions"),
    ("GET", "/v1/learning"),
    ("GET", "/v1/learning/policies"),
    ("GET", "/v1/understanding"),
    ("GET", "/v1/upgrades"),
    ("POST", "/v1/upgrades/live"),
    ("POST", "/v1/upgrades/rollback"),
    ("PUT", "/v1/domains/{domain}/items"),
    ("DELETE", "/v1/domains/{domain}/items"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
]
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    return make_app(engine)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def steady(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server that is only asked what it refuses, made once."""
    with Engine.open(tmp_path_factory.mktemp("steady") / "store", encoder=encoder) as engine:
        engine.index([{"id": "f1", "title": "Mary Poppins"}, {"id": "f4", "title": "Love Story"}], domain="films")
        with TestClient(make_app(engine), base_url="http://localhost", raise_server_exceptions=False) as opened:
            yield opened


def ask(client: TestClient, text: str, **more: Any) -> dict[str, Any]:
    response = client.post("/v1/requests", json={"text": text, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def check_problem(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in body["detail"]
    check_safe(response)
    detail: str = body["detail"]
    return detail


def check_safe(response: Any) -> None:
    for name, value in SAFE.items():
        assert response.headers[name] == value
    assert "default-src 'self'" in response.headers["content-security-policy"]


# -- happy paths ----------------------------------------------------------------------------------------------------


def test_the_contract_of_an_answer(client: TestClient) -> None:
    body = ask(client, "play mary poppins", context={"device": "tv"}, limit=3, seed=1, id="mine")
    assert {"id", "hypotheses", "results", "selection", "milliseconds"} <= set(body)
    assert body["id"] == "mine"
    bodies.AnswerBody.model_validate(body)
    assert (body["question"] is None) == (body["decision"] != "ask")
    assert len(body["results"]) == 3
    assert body["milliseconds"] > 0
    for reading in body["hypotheses"]:
        assert {"domain", "intent", "slots", "confidence"} <= set(reading)
        assert reading["intent"] == "play"
        assert 0 <= reading["confidence"] <= 1
    for result in body["results"]:
        assert {"id", "title", "domain", "score", "sources"} <= set(result)
        assert result["sources"]
        for source in result["sources"].values():
            assert {"rank", "score"} <= set(source)
            assert source["rank"] >= 1
    for chosen in body["selection"]:
        assert {"strategy", "k", "propensity"} <= set(chosen)
    assert {result["title"] for result in body["results"][:2]} == {"Mary Poppins"}


def test_an_instruction_is_carried_out(acting: Engine, client: TestClient) -> None:
    text = "go to the kitchen and stop at the sink"
    body = ask(client, text)
    walked = bodies.WalkedBody.model_validate(body["walked"])
    bodies.AnswerBody.model_validate(body)
    assert body["hypotheses"][0]["domain"] == "home"
    assert [result["domain"] for result in body["results"]] == ["home"]
    assert len(walked.places) - len(walked.steps) == (not walked.stopped)
    assert {"kitchen", "hallway"} <= {room["kind"] for room in walked.plan["rooms"]}
    assert walked.plan["doors"]
    assert walked.plan["things"]
    for number, action in enumerate(("like", "dislike", "undo")):
        sent = {"answer": body["id"], "item": body["results"][0]["id"], "action": action, "id": f"thumb-{number}"}
        assert client.post("/v1/feedback", json=sent).json() == {"id": f"thumb-{number}", "domain": "home", "new": True}
    past = client.get(f"/v1/answers/{body['id']}").json()
    assert past["walked"] == body["walked"]
    assert past["results"][0]["actions"] == ["like"]
    assert "plan" not in client.get("/v1/answers").json()["answers"][0]["walked"]
    assert client.get("/v1/domains").json()["acting"] == ["home"]
    (about,) = client.get("/v1/understanding").json()["acting"]
    assert (about["state"], about["artifact"]) == ("live", walked.agent)
    bodies.ActingDomainBody.model_validate(about)
    assert "walked" not in ask(client, "love")
    assert 'segue_answers_total{domain="home"} 1.0' in client.get("/metrics").text
    assert client.get("/v1/learning").status_code == 200


def test_feedback_changes_the_next_answer_and_counts_once(client: TestClient) -> None:
    first = ask(client, "love", domain="films")
    chosen = first["results"][2]
    sent = {"answer": first["id"], "item": chosen["id"], "action": "play", "id": "event-1"}
    response = client.post("/v1/feedback", json=sent)
    assert response.status_code == 200
    assert response.json() == {"id": "event-1", "domain": "films", "new": True}
    assert client.post("/v1/feedback", json=sent).json() == {"id": "event-1", "domain": "films", "new": False}
    assert ask(client, "love", domain="films")["results"][0]["id"] == chosen["id"]
    undo = {"answer": first["id"], "item": chosen["id"], "action": "undo"}
    assert client.post("/v1/feedback", json=undo).json()["new"] is True
    assert ask(client, "love", domain="films")["results"] != []


def test_past_answers(client: TestClient) -> None:
    first = ask(client, "mary poppins")
    second = ask(client, "love")
    past = client.get(f"/v1/answers/{first['id']}").json()
    assert past["request"]["text"] == "mary poppins"
    assert [one["id"] for one in past["results"]] == [one["id"] for one in first["results"]]
    recent = client.get("/v1/answers", params={"limit": 2}).json()["answers"]
    assert [one["id"] for one in recent] == [second["id"], first["id"]]
    check_problem(client.get("/v1/answers/unknown"), 404)
    for limit in ("0", "201", "x", "-1", "1e3"):
        check_problem(client.get("/v1/answers", params={"limit": limit}), 422)


def test_a_past_answer_says_why(client: TestClient) -> None:
    answer = ask(client, "mary poppins")
    past = client.get(f"/v1/answers/{answer['id']}").json()
    assert set(past["explanation"]) == {part["domain"] for part in answer["trace"]["domains"]}
    for result in past["results"]:
        assert past["explanation"][result["domain"]]["results"][result["id"]]["kept"] > 0


def test_what_was_learned(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_report, "_FRESH", 0.0)
    assert client.get("/v1/learning").json()["domains"] == {}
    check_problem(client.get("/v1/learning/policies"), 422)
    for number in range(12):
        answer = ask(client, "love", domain="films", limit=6, seed=number)
        sent = {"answer": answer["id"], "item": answer["results"][1]["id"], "action": "play"}
        client.post("/v1/feedback", json=sent)
    learned = client.get("/v1/learning").json()
    assert learned["remembered"] >= 1
    assert learned["domains"]["films"]["answers"] == [12]
    judged = client.get("/v1/learning/policies", params={"domain": "films", "last": 4}).json()
    assert judged["log"]["learned from"] == 8
    assert {"fusion", "bandit", "text"} <= set(judged["policies"])
    check_problem(client.get("/v1/learning/policies", params={"domain": "songs"}), 404)
    for last in ("0", "5001", "x"):
        check_problem(client.get("/v1/learning/policies", params={"last": last}), 422)


def test_what_understands_requests(client: TestClient, engine: Engine, request: pytest.FixtureRequest) -> None:
    before = client.get("/v1/understanding").json()
    bodies.UnderstandingBody.model_validate(before)
    assert (before["by"], before["without"], before["run"]) == ("choice", ["books", "films"], None)
    request.getfixturevalue("reading")
    live = client.get("/v1/understanding").json()
    bodies.UnderstandingBody.model_validate(live)
    assert [one["state"] for one in live["domains"]] == ["live"] * 3
    assert live["run"]["confusion"]["re-ranker"]["names"] == ["books", "films", "home", "other"]
    retire(engine.store, "films")
    assert client.get("/v1/understanding").json()["domains"][1]["state"] == "retired"
    assert {one["domain"] for one in ask(client, "mary poppins")["hypotheses"]} == {"books", "home"}


def test_an_encoder_takes_over_and_is_taken_back(upgradable: Path, int8_folder: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(upgradable, tmp_path / "upgraded"))
    candidate = bridge(store, int8_folder, share=0.5)["candidate"]
    judge(store, Path(candidate))  # too few cases to be sure: refused
    with Engine.open(store) as engine, TestClient(make_app(engine), base_url="http://localhost") as client:
        before = client.get("/v1/upgrades").json()
        bodies.UpgradesBody.model_validate(before)
        assert before["upgrade"] is None
        check_problem(client.post("/v1/upgrades/rollback", json={}), 404)
        check_problem(client.post("/v1/upgrades/live", json={"candidate": "bridge-0123456789abcdef"}), 404)
        check_problem(client.post("/v1/upgrades/live", json={"candidate": "../../elsewhere"}), 422)
        check_problem(client.post("/v1/upgrades/live", json={"candidate": candidate}), 422)
        judge(store, Path(candidate), budget=0.2)
        live = client.post("/v1/upgrades/live", json={"candidate": candidate}).json()
        bodies.UpgradesBody.model_validate(live)
        assert live["upgrade"]["name"] == candidate
        assert live["domains"] == [{"domain": "films", "items": 120, "embedded": 60}]
        assert ask(client, "the robot of Rome")["results"][0]["title"] == "The robot of Rome"
        added = client.put("/v1/domains/films/items", json={"items": [{"id": "x", "title": "A robot in Rome"}]})
        assert added.json()["added"] == 1
        back = client.post("/v1/upgrades/rollback", json={}).json()
        assert (back["upgrade"], back["domains"]) == (None, [])
        titles = {one["title"] for one in ask(client, "robot in Rome")["results"][:3]}
        assert "A robot in Rome" in titles


def test_domains_actions_and_health(client: TestClient) -> None:
    domains = {one["domain"]: one for one in client.get("/v1/domains").json()["domains"]}
    assert domains["films"]["items"] == 8
    assert domains["films"]["version"] == 1
    assert "genres" in domains["films"]["categories"]
    actions = client.get("/v1/actions").json()
    assert actions["undo"] == "undo"
    assert actions["actions"]["click"] == 1.0
    assert client.get("/healthz").json() == {"status": "ok", "domains": 2}


def test_items_are_put_found_and_deleted(client: TestClient) -> None:
    rows = [
        {"id": "z1", "title": "Zebra Crossing", "year": 2001},
        {"id": "z2", "title": ""},
        {
            "id": "f1",
            "title": "Mary Poppins",
            "genres": ["comedy", "musical"],
            "director": "Robert Stevenson",
            "year": 1964,
            "votes": 900,
        },
    ]
    response = client.put("/v1/domains/films/items", json={"items": rows})
    assert response.status_code == 200
    body = response.json()
    assert (body["added"], body["updated"], body["unchanged"]) == (1, 0, 1)
    assert [one["row"] for one in body["rejected"]] == [2]
    assert "no title" in body["rejected"][0]["reason"]
    assert ask(client, "zebra crossing")["results"][0]["id"] == "z1"
    response = client.request("DELETE", "/v1/domains/films/items", json={"ids": ["z1", "nobody"]})
    assert response.json() == {"deleted": ["z1"], "unknown": ["nobody"]}
    assert "z1" not in [one["id"] for one in ask(client, "zebra crossing")["results"]]
    made = client.put("/v1/domains/recipes/items", json={"items": [{"id": "r1", "title": "Zebra Cake"}]})
    assert made.json()["added"] == 1
    assert "recipes" in [one["domain"] for one in client.get("/v1/domains").json()["domains"]]
    check_problem(client.put("/v1/domains/No Name/items", json={"items": rows}), 422)
    check_problem(client.put("/v1/domains/films/items", json={"items": [{"id": ""}]}), 422)
    check_problem(client.put("/v1/domains/films/items", json={"items": []}), 422)
    check_problem(client.request("DELETE", "/v1/domains/nowhere/items", json={"ids": ["a"]}), 404)


def test_metrics_can_be_read_and_count(client: TestClient) -> None:
    def sample(name: str, **labels: str) -> float:
        text = client.get("/metrics").text
        return sum(
            one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
            if one.name == name and labels.items() <= one.labels.items()
        )

    assert sample("segue_items", domain="films") == 8
    answer = ask(client, "mary poppins", domain="films")
    ask(client, "emma", domain="books")
    assert sample("segue_answers_total", domain="films") == 1
    assert sample("segue_answers_total") == 2
    assert sample("segue_answer_seconds_count") == 2
    assert sample("segue_strategy_seconds_count", strategy="dense") == 2
    client.post("/v1/feedback", json={"answer": answer["id"], "item": answer["results"][0]["id"], "action": "click"})
    assert sample("segue_actions_total", action="click") == 1
    assert sample("segue_memory_pairs") == 1
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")


def test_the_console_is_served(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "<title>" in page.text
    check_safe(page)
    script = client.get("/app.js")
    assert script.headers["content-type"].startswith("text/javascript")
    check_problem(client.get("/nothing.html"), 404)
    check_problem(client.get("/../../engine.py"), 404)
    check_problem(client.get("/%2e%2e/%2e%2e/engine.py"), 404)


# -- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": ""},
        {"text": 3},
        {"text": "x" * 1_001},
        {"text": "love", "limit": 0},
        {"text": "love", "limit": "3"},
        {"text": "love", "limit": 3.5},
        {"text": "love", "seed": -1},
        {"text": "love", "id": "a b"},
        {"text": "love", "context": {"a": 1}},
        {"text": "love", "unknown": 1},
        [],
        "love",
    ],
)
def test_requests_that_do_not_fit(steady: TestClient, body: Any) -> None:
    check_problem(steady.post("/v1/requests", json=body), 422)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"text": NaN}',
        b'{"text": "\\ud800"}',
        b'{"text": "a", "\\ud800": 1}',
        b'{"text": "a", "context": {"\\ud800": "b"}}',
        b'{"text": "a", "context": {"\\ud800": 1}}',
        b'{"text": "a", "domain": "\\ud800"}',
        b'{"text": "a", "id": "\\ud800"}',
        b'{"text": "a", "limit": 1e400}',
        b'{"text": "a", "seed": 99999999999999999999999999}',
        b'{"text": ' + b"[" * 20_000 + b"}",
    ],
)
def test_bodies_that_are_no_request(steady: TestClient, raw: bytes) -> None:
    response = steady.post("/v1/requests", content=raw, headers=JSON)
    assert response.status_code in (400, 404, 422)
    check_problem(response, response.status_code)


@pytest.mark.parametrize("name", ["answer", "item", "action", "domain", "id"])
def test_half_a_character_in_feedback(steady: TestClient, name: str) -> None:
    fields = {"answer": ask(steady, "love")["id"], "item": "f4", "action": "click", "domain": "films", "id": "e"}
    pairs = ", ".join(f'"{key}": "{chr(92)}ud800"' if key == name else f'"{key}": "{fields[key]}"' for key in fields)
    response = steady.post("/v1/feedback", content=f"{{{pairs}}}".encode(), headers=JSON)
    assert response.status_code in (404, 422)
    check_problem(response, response.status_code)


@pytest.mark.parametrize("raw", [b'{"ids": [1]}', b'{"ids": []}', b'{"ids": "f1"}', b'{"ids": ["f1"], "x": 1}'])
def test_ids_that_are_none(steady: TestClient, raw: bytes) -> None:
    check_problem(steady.request("DELETE", "/v1/domains/films/items", content=raw, headers=JSON), 422)
    assert steady.get("/v1/domains").json()["domains"][0]["items"] == 2


def test_an_id_that_is_half_of_a_character(steady: TestClient) -> None:
    """No item has it; it cannot be written back as JSON either."""
    raw = b'{"ids": ["\\ud800"]}'
    response = steady.request("DELETE", "/v1/domains/films/items", content=raw, headers=JSON)
    assert response.status_code in (200, 422), response.text
    assert steady.get("/v1/domains").json()["domains"][0]["items"] == 2


@pytest.mark.parametrize(
    "raw", [b'{"items": [{"\\ud800": "1"}]}', b'{"items": [1]}', b'{"items": [{}]}', b'{"items": {}}']
)
def test_rows_that_are_none(steady: TestClient, raw: bytes) -> None:
    check_problem(steady.put("/v1/domains/films/items", content=raw, headers=JSON), 422)


def test_feedback_that_does_not_fit(steady: TestClient) -> None:
    answer = ask(steady, "mary poppins")
    good = {"answer": answer["id"], "item": answer["results"][0]["id"], "action": "click"}
    check_problem(steady.post("/v1/feedback", json={**good, "answer": "unknown"}), 404)
    check_problem(steady.post("/v1/feedback", json={**good, "item": "unknown"}), 404)
    assert "click" in check_problem(steady.post("/v1/feedback", json={**good, "action": "applaud"}), 422)
    check_problem(steady.post("/v1/feedback", json={**good, "id": "a b"}), 422)
    check_problem(steady.post("/v1/feedback", json={"answer": answer["id"]}), 422)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.1:80", "[::2]"]
)
def test_another_host_is_refused(steady: TestClient, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/healthz"), ("POST", "/v1/requests")):
        response = steady.request(method, path, headers={"host": host, **JSON})
        check_problem(response, 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]", "[::1]:8765"])
def test_this_host_is_answered(steady: TestClient, host: str) -> None:
    assert steady.get("/healthz", headers={"host": host}).status_code == 200


def test_any_host_when_it_is_meant_to_be_reached(engine: Engine) -> None:
    with TestClient(make_app(engine, hosts=None), base_url="http://segue.example") as client:
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_forms_are_refused(steady: TestClient, kind: str) -> None:
    """A page elsewhere can post a form without asking; it cannot send JSON without a preflight."""
    for method, path in ROUTES:
        if method != "GET":
            sent = steady.request(
                method, path.format(domain="films"), content=b'{"text": "a"}', headers={"content-type": kind}
            )
            check_problem(sent, 415)


def test_json_with_a_charset_is_accepted(steady: TestClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert steady.post("/v1/requests", content=b'{"text": "love"}', headers=headers).status_code == 200


def test_a_body_that_is_too_large(steady: TestClient) -> None:
    large = b'{"text": "' + b"a" * LONGEST_BODY + b'"}'
    check_problem(steady.post("/v1/requests", content=large, headers=JSON), 413)
    rows = [{"id": f"i{place}", "title": "t" * 1_000} for place in range(400)]  # items may be larger
    assert steady.put("/v1/domains/many/items", json={"items": rows}).json()["added"] == 400


def test_a_body_that_grows_too_large_without_saying_so(steady: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(LONGEST_BODY // 1024 + 1):
            yield b"a" * 1024
        yield b'"}'

    check_problem(steady.post("/v1/requests", content=chunks(), headers=JSON), 413)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/requests"), ("POST", "/v1/answers"), ("DELETE", "/healthz"), ("PUT", "/")]
)
def test_other_methods(steady: TestClient, method: str, path: str) -> None:
    response = steady.request(method, path, headers=JSON, content=b"{}" if method != "GET" else None)
    assert response.status_code in (404, 405)
    check_problem(response, response.status_code)


@pytest.mark.parametrize(
    ("error", "status"),
    [(Unavailable("The disk is full.", fix="free some"), 503), (Corrupt("Broken."), 500)],
)
def test_every_error_of_ours_has_a_status(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(engine, "ask", fail)
    assert check_problem(client.post("/v1/requests", json={"text": "a"}), status) == str(error)


def test_an_unforeseen_error_shows_nothing_of_the_inside(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret path")

    monkeypatch.setattr(engine, "ask", fail)
    assert "secret" not in check_problem(client.post("/v1/requests", json={"text": "a"}), 500)


def test_every_response_is_safe_in_a_browser(steady: TestClient) -> None:
    for method, path in ROUTES:
        response = steady.request(method, path.format(id="x", domain="films"), headers=JSON)
        check_safe(response)


def test_a_problem_names_its_status() -> None:
    assert problem(404, "gone").status_code == 404


# -- OpenAPI --------------------------------------------------------------------------------------------------------


def test_openapi_describes_every_route(app: FastAPI, client: TestClient) -> None:
    described = app.openapi()
    assert client.get("/openapi.json").json() == described
    there = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert there == set(ROUTES)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert set(operation["responses"]) >= {"200", "404", "422"}
    names = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


def test_the_server_does_what_its_openapi_says(app: FastAPI) -> None:
    """Generated requests, good and bad: no server error, and every response is one that is described."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"host": "localhost"})
    schema.config.update(base_url="http://localhost")
    operations = [operation for result in schema.get_all_operations() if (operation := cast(Any, result).ok())]
    assert len(operations) == len(ROUTES)
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    for operation in operations:

        @settings(
            max_examples=8,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=operation.as_strategy())
        def conforms(case: Any) -> None:
            case.call_and_validate(checks=checks, headers={"host": "localhost"})

        conforms()
