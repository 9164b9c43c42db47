"""The HTTP application: the routes, what guards them, and the console."""

import mimetypes
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from segue.engine import Engine
from segue.serve import bodies
from segue.serve.guard import Guard
from segue.serve.metrics import Metrics
from segue.serve.problems import answer_errors
from segue.serve.routes import Routes

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
LONGEST_BODY = 256 * 1024
LONGEST_ITEMS = 32 * 1024 * 1024

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": bodies.Problem, "content": {"application/problem+json": {}}} for code in (404, 413, 415, 422, 503)
}


def make_app(engine: Engine, *, hosts: frozenset[str] | None = LOOPBACK) -> FastAPI:
    """The application over an opened engine. `hosts` are the names it answers to, None for any."""
    app = FastAPI(
        title="Segue",
        description="Takes a request in plain language to the right result, and learns from what people do with it.",
        version="1",
        docs_url=None,  # their pages load scripts from elsewhere; the console has one of its own
        redoc_url=None,
        responses=_PROBLEMS,
    )
    _add_routes(app, Routes(engine, Metrics(engine)))
    answer_errors(app)
    mimetypes.add_type("text/javascript", ".js")  # some systems say text/plain, which a browser then refuses to run
    app.mount("/", StaticFiles(directory=str(files("segue.serve") / "console"), html=True), name="console")
    app.add_middleware(Guard, hosts=hosts, longest=LONGEST_BODY, longest_items=LONGEST_ITEMS)
    return app


def _add_routes(app: FastAPI, routes: Routes) -> None:
    """Method, path, endpoint, what it answers."""
    table = (
        ("POST", "/v1/requests", routes.ask, bodies.AnswerBody),
        ("POST", "/v1/feedback", routes.feedback, bodies.ActedBody),
        ("GET", "/v1/answers/{id}", routes.past_answer, bodies.AnswerBody),
        ("GET", "/v1/answers", routes.recent_answers, bodies.AnswersBody),
        ("GET", "/v1/domains", routes.domains, bodies.DomainsBody),
        ("GET", "/v1/actions", routes.actions, bodies.ActionsBody),
        ("GET", "/v1/learning", routes.learning, bodies.LearningBody),
        ("GET", "/v1/learning/policies", routes.policies, bodies.PoliciesBody),
        ("GET", "/v1/understanding", routes.understanding, bodies.UnderstandingBody),
        ("GET", "/v1/upgrades", routes.upgrades, bodies.UpgradesBody),
        ("POST", "/v1/upgrades/live", routes.go_live, bodies.UpgradesBody),
        ("POST", "/v1/upgrades/rollback", routes.rollback, bodies.UpgradesBody),
        ("PUT", "/v1/domains/{domain}/items", routes.put_items, bodies.PutBody),
        ("DELETE", "/v1/domains/{domain}/items", routes.delete_items, bodies.DeletedBody),
        ("GET", "/healthz", routes.health, bodies.HealthBody),
        ("GET", "/metrics", routes.prometheus, None),
    )
    for method, path, endpoint, model in table:
        tag = "operation" if path in ("/healthz", "/metrics") else path.split("/")[2]
        summary, _, description = (endpoint.__doc__ or "").partition("\n\n")
        app.add_api_route(
            path,
            endpoint,
            methods=[method],
            response_model=model,
            response_class=JSONResponse if model else PlainTextResponse,
            summary=summary,
            description=description,
            tags=[tag],
        )
