"""Errors as problem details (RFC 9457)."""

from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from segue.errors import Corrupt, InvalidInput, NotFound, SegueError, Unavailable
from segue.serve.headers import HEADERS

_STATUS: dict[type[SegueError], int] = {InvalidInput: 422, NotFound: 404, Corrupt: 500, Unavailable: 503}


def problem_bytes(status: int, detail: str) -> bytes:
    readable = detail.encode(errors="replace").decode()  # what was sent may hold half a character
    return orjson.dumps(
        {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": readable}
    )


def problem(status: int, detail: str) -> Response:
    return Response(problem_bytes(status, detail), status, media_type="application/problem+json")


def answer_errors(app: FastAPI) -> None:
    """Let every error leave the server as a problem, and none of them with its traceback."""

    @app.exception_handler(SegueError)
    async def ours(_: Request, error: SegueError) -> Response:
        return problem(_STATUS.get(type(error), 500), str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5]]
        return problem(422, f"The request does not fit. {'; '.join(faults)}.")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        detail = str(error.detail)
        if detail == HTTPStatus(error.status_code).phrase:  # the framework's own: say what was asked
            detail = f"{request.method} {request.url.path[:200]}: {detail}. What can be asked stands in /openapi.json."
        return problem(error.status_code, detail)

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> Response:
        failed = problem(500, f"The server failed ({type(error).__name__}); its log says more.")
        failed.headers.update(dict(HEADERS))  # what fails so comes out beside the guard
        return failed
