"""Start the server: take a port, say where it is, open the browser when it answers."""

import errno
import logging
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from segue.engine import Engine
from segue.errors import Unavailable
from segue.serve.http import LOOPBACK, make_app

_TRIES = 20
_LOOPBACK_ADDRESSES = ("127.0.0.1", "::1", "localhost")


def serve(engine: Engine, *, host: str, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve until interrupted. A taken port is said so, and the next free one is used."""
    taken = _listen(host, port, say)
    found = taken.getsockname()[1]
    local = host in _LOOPBACK_ADDRESSES
    if not local:
        say(f"Listening on {host}: anyone who can reach this machine can ask, index and delete. There is no log-in.")
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{found}/"
    say(f"Segue answers at {address}   (API: {address}#/interface · stop with Ctrl+C)")
    settings = uvicorn.Config(
        make_app(engine, hosts=LOOPBACK if local else None), log_level="warning", access_log=False
    )
    server = uvicorn.Server(settings)
    engine.agents.open_ahead()
    if browser:
        threading.Timer(1.0, _open_browser, [address]).start()
    try:
        server.run(sockets=[taken])
    except KeyboardInterrupt:
        pass
    finally:
        taken.close()


def _listen(host: str, port: int, say: Callable[[str], None]) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + _TRIES, 65_536)):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.listen(2048)
            return listening
        except OSError as error:
            listening.close()
            if error.errno != errno.EADDRINUSE:
                raise Unavailable(
                    f"{host}:{candidate} cannot be used: {error.strerror}.", fix="choose --host and --port"
                ) from error
            say(f"Port {candidate} is taken; trying {candidate + 1}.")
    raise Unavailable(f"The ports from {port} on are all taken.", fix="choose another with --port")


def _open_browser(address: str) -> None:
    try:
        webbrowser.open(address)
    except webbrowser.Error as error:
        logging.getLogger(__name__).info("no browser could be opened: %s", error)
