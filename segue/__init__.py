"""Segue takes a request in plain language to the right result, and learns from what people do with it.

    from segue import Engine

    with Engine.open("store") as engine:
        engine.index("films.csv", domain="films")
        answer = engine.ask("play mary poppins")
        engine.feedback(answer, answer.results[0], action="play")

Every room is usable alone (`segue.encode`, `segue.retrieve`, …), so `Engine` is loaded only when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segue.engine import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    if name == "Engine":
        from segue.engine import Engine  # noqa: PLC0415  a researcher who wants one room must not load the whole house

        return Engine
    raise AttributeError(f"module 'segue' has no attribute {name!r}")
