"""Starting the server: which port it takes, and what it says."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from segue.engine import Engine
from segue.errors import Unavailable
from segue.serve import run


class Stub:
    """Stands in for uvicorn's server: remembers what it was given, and is interrupted at once."""

    started: list["Stub"]

    def __init__(self, config: uvicorn.Config) -> None:
        self.config = config
        self.port = 0

    def run(self, sockets: list[socket.socket]) -> None:
        self.port = sockets[0].getsockname()[1]
        Stub.started.append(self)
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    Stub.started = []
    monkeypatch.setattr(uvicorn, "Server", Stub)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


def serve(engine: Engine, *, host: str = "127.0.0.1", port: int) -> list[str]:
    said: list[str] = []
    run.serve(engine, host=host, port=port, browser=False, say=said.append)
    return said


def test_a_free_port_is_used_and_said(engine: Engine) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (line,) = serve(engine, port=port)
    assert f"http://127.0.0.1:{port}/" in line
    assert Stub.started[0].port == port


def test_a_taken_port_is_said_and_the_next_is_used(engine: Engine, taken: int) -> None:
    said = serve(engine, port=taken)
    assert said[0] == f"Port {taken} is taken; trying {taken + 1}."
    found = Stub.started[0].port
    assert taken < found <= taken + 20
    assert f":{found}/" in said[-1]


def test_the_socket_is_let_go_of(engine: Engine, taken: int) -> None:
    serve(engine, port=taken)
    found = Stub.started[0].port
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", found))


def test_when_every_port_is_taken(engine: Engine, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_TRIES", 1)
    with pytest.raises(Unavailable, match="--port"):
        serve(engine, port=taken)


def test_an_address_that_is_not_ours(engine: Engine) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        serve(engine, host="203.0.113.7", port=8765)


@pytest.mark.parametrize("host", ["not a host", "x" * 300, "no.such.host.invalid"])
def test_a_host_that_is_none(engine: Engine, host: str) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        serve(engine, host=host, port=8765)


def test_an_open_address_is_warned_of(engine: Engine, taken: int) -> None:
    said = serve(engine, host="0.0.0.0", port=taken + 1)
    assert "There is no log-in" in " ".join(said)
    assert "http://127.0.0.1:" in said[-1]


def test_the_browser_is_opened_at_the_address(engine: Engine, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []

    class Timer:
        def __init__(self, after: float, call: Any, arguments: list[Any]) -> None:
            opened.append((call, arguments))

        def start(self) -> None:
            return

    monkeypatch.setattr(threading, "Timer", Timer)
    run.serve(engine, host="127.0.0.1", port=taken, browser=True, say=lambda line: None)
    ((_, (address,)),) = opened
    assert address == f"http://127.0.0.1:{Stub.started[0].port}/"
