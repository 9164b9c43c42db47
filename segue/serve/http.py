"""The HTTP interface: the engine's verbs under /v1, health, metrics, and the console."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import FastAPI, Path, Query, Response
from fastapi.staticfiles import StaticFiles

from segue.answers import to_body
from segue.engine import Engine
from segue.serve.bodies import Act, Ask, DeleteItems, Problem, PutItems
from segue.serve.guard import Guard
from segue.serve.metrics import Metrics
from segue.serve.problems import answer_errors
from segue.store import UNDO

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "testserver"})
LONGEST_BODY = 256 * 1024
LONGEST_ITEMS = 32 * 1024 * 1024

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "content": {"application/problem+json": {}}} for code in (404, 413, 415, 422, 503)
}
_T = TypeVar("_T")
Id = Annotated[str, Path(max_length=200)]


def make_app(engine: Engine, *, hosts: frozenset[str] | None = LOOPBACK) -> FastAPI:
    """The application over an opened engine. `hosts` are the names it answers to, None for any."""
    app = FastAPI(
        title="Segue",
        description="Takes a request in plain language to the right result, and learns from what people do with it.",
        version="1",
        responses=_PROBLEMS,
    )
    metrics = Metrics(engine)
    asking = ThreadPoolExecutor(2, thread_name_prefix="segue-ask")
    writing = ThreadPoolExecutor(1, thread_name_prefix="segue-write")
    answer_errors(app)

    @app.post("/v1/requests", summary="Answer a request", tags=["requests"])
    async def ask(body: Ask) -> Response:
        answer = await _in(
            asking,
            partial(
                engine.ask,
                body.text,
                context=body.context,
                domain=body.domain,
                limit=body.limit,
                seed=body.seed,
                id=body.id,
            ),
        )
        metrics.answered(answer)
        return _json(to_body(answer))

    @app.post(
        "/v1/feedback", summary="Tell what was done with a result; acknowledged when it is on disk", tags=["requests"]
    )
    async def feedback(body: Act) -> Response:
        sent, done = engine.send_feedback(body.answer, body.item, action=body.action, domain=body.domain, id=body.id)
        (new,) = await asyncio.wrap_future(done)
        metrics.acted(sent.action)
        return _json({"id": sent.id, "domain": sent.domain, "new": new})

    @app.get("/v1/answers/{id}", summary="A past answer, as it was given", tags=["requests"])
    async def past_answer(id: Id) -> Response:
        return _json(await _in(asking, partial(engine.answer, id)))

    @app.get("/v1/answers", summary="The last answers, newest first", tags=["requests"])
    async def recent_answers(limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
        return _json({"answers": await _in(asking, partial(engine.recent_answers, limit))})

    @app.get("/v1/domains", summary="The domains and what is in them", tags=["domains"])
    async def domains() -> Response:
        return _json({"domains": [_about(engine, name) for name in engine.domains.names()]})

    @app.get("/v1/actions", summary="The actions that feedback may name, with their weights", tags=["requests"])
    async def actions() -> Response:
        return _json({"actions": dict(engine.store.actions), "undo": UNDO})

    @app.put("/v1/domains/{domain}/items", summary="Add or update items", tags=["domains"])
    async def put_items(domain: Id, body: PutItems) -> Response:
        report = await _in(writing, partial(engine.index, body.items, domain=domain))
        return _json(
            {
                "added": report.added,
                "updated": report.updated,
                "unchanged": report.unchanged,
                "rejected": [{"row": line, "reason": reason} for line, reason in report.rejected_rows],
            }
        )

    @app.delete("/v1/domains/{domain}/items", summary="Delete items by id", tags=["domains"])
    async def delete_items(domain: Id, body: DeleteItems) -> Response:
        there = await _in(writing, partial(engine.delete, body.ids, domain=domain))
        known = set(there)
        return _json({"deleted": there, "unknown": [id for id in body.ids if id not in known]})

    @app.get("/healthz", summary="Whether the server can answer", tags=["operation"])
    async def health() -> Response:
        return _json({"status": "ok", "domains": len(engine.domains.names())})

    @app.get("/metrics", summary="Prometheus metrics", tags=["operation"])
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type=metrics.media_type)

    app.mount("/", StaticFiles(directory=str(files("segue.serve") / "console"), html=True), name="console")
    app.add_middleware(Guard, hosts=hosts, longest=LONGEST_BODY, longest_items=LONGEST_ITEMS)
    return app


async def _in(pool: ThreadPoolExecutor, call: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(pool, call)


def _json(value: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def _about(engine: Engine, name: str) -> dict[str, Any]:
    snapshot = engine.domains.get(name).snapshot
    return {
        "domain": name,
        "items": len(snapshot),
        "version": snapshot.version,
        "categories": list(snapshot.categories),
    }
