"""What stands before every route: a limit on the body, the right host, and headers that keep a browser safe."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segue.serve.headers import HEADERS
from segue.serve.problems import problem_bytes

_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS]


class TooLarge(HTTPException):
    """The body grew beyond the limit while it was read. FastAPI hides every other exception behind a 400."""

    def __init__(self, longest: int) -> None:
        super().__init__(413, f"The body is larger than {longest:,} bytes.")


class Guard:
    """ASGI middleware. `hosts` are the names the server answers to (None: any); a body may have `longest` bytes.

    Checking the host keeps a web page elsewhere from reaching a server on this machine by a name of its own (DNS
    rebinding); asking for JSON keeps it from posting a form.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] | None, longest: int, longest_items: int) -> None:
        self._app = app
        self._hosts = hosts
        self._longest = longest
        self._longest_items = longest_items

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name: value for name, value in scope["headers"] if name in (b"host", b"content-length", b"content-type")
        }
        longest = self._longest_items if scope["path"].endswith("/items") else self._longest
        refusal = self._refusal(scope, headers, longest)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        read = 0
        started = False

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > longest:
                raise TooLarge(longest)
            return message

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        try:
            await self._app(scope, limited, guarded)
        except TooLarge as error:
            if not started:
                await _refuse(send, error.status_code, error.detail)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes], longest: int) -> tuple[int, str] | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self._hosts is not None and name not in self._hosts:
            return (
                421,
                f"This server does not answer to {host[:100]!r}. Expected: one of {', '.join(sorted(self._hosts))}.",
            )
        size = headers.get(b"content-length", b"0")
        if size.isdigit() and int(size) > longest:
            return 413, f"The body has {int(size):,} bytes. Expected: at most {longest:,}."
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if scope["method"] in ("POST", "PUT", "DELETE") and kind != b"application/json":
            sent = kind.decode("latin-1") or "nothing"
            return 415, f"The content type is {sent[:100]}. Expected: application/json."
        return None


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = problem_bytes(status, detail)
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
