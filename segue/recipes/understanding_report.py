"""What understands requests now, domain by domain: what is live, where it came from, and what it was measured at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segue import artifact
from segue.artifact import Artifact
from segue.engine import Engine
from segue.errors import SegueError
from segue.live_agents import KIND, house_of
from segue.live_agents import PART as ACTING
from segue.live_readers import PART, parts
from segue.understand.measured import read_report


def understanding_report(engine: Engine) -> dict[str, Any]:
    """As plain data: `by` says whether the readers decide what is meant or the choice fitted on titles, and `without` which
    domains that hold something have no reader; `domains` has each domain that has items, or a reader that is live or retired;
    `run` what the last training measured over all domains, with `created`, its time: None before the first one. `acting` has each
    domain in which an agent is live.

    A part that cannot be read is said so in its domain's `problem`, and no other domain is touched by it.
    """
    readers = engine.readers()
    live = _by_domain(engine.store.live_parts(PART))
    retired = _by_domain(engine.store.retired_parts(PART))
    there = engine.domains.names()
    without = [name for name in there if name not in readers.domains and name not in retired]
    domains, runs = [], []
    for name in sorted({*there, *live, *retired}):
        about = _of(name, live.get(name), retired.get(name), readers.refused.get(name))
        if about["measured"] is not None:
            runs.append(about["measured"].pop("run") | {"created": about["measured"]["created"]})
        domains.append(about | {"items": len(engine.domains.get(name).snapshot) if name in there else None})
    return {
        "by": "readers" if readers.domains and not without else "choice",
        "without": without,
        "domains": domains,
        "run": max(runs, key=lambda run: run["created"], default=None),
        "acting": [
            _agent(part.removeprefix(ACTING), folder, engine.agents.refused)
            for part, folder in engine.store.live_parts(ACTING).items()
        ],
    }


def _agent(domain: str, folder: Path, refused: Mapping[str, str]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "domain": domain,
        "state": "refused" if domain in refused else "live",
        "problem": refused.get(domain),
        "artifact": folder.name,
        "house": None,
        "agent": None,
        "measured": None,
    }
    try:
        part = artifact.open(folder, kind=KIND)
        measured = {name: part.meta["trained"]["held out"][name] for name in ("cloned", "learned", "reward")}
        return about | {"house": house_of(part), "agent": _made(part), "measured": measured}
    except SegueError as error:
        return about | {"problem": about["problem"] or str(error)}


def _by_domain(pointers: Mapping[str, Path]) -> dict[str, Path]:
    return {part.removeprefix(PART): folder for part, folder in pointers.items()}


def _of(name: str, live: Path | None, retired: Path | None, refused: str | None) -> dict[str, Any]:
    folder = live or retired
    about: dict[str, Any] = {
        "domain": name,
        "state": "none" if folder is None else "retired" if live is None else "refused" if refused else "live",
        "problem": refused,
        "artifact": None if folder is None else folder.name,
        "reader": None,
        "reranker": None,
        "measured": None,
    }
    try:
        return about | (_described(parts(folder)) if folder is not None else {})
    except SegueError as error:
        return about | {"problem": refused or str(error)}


def _described(opened: Mapping[str, Artifact]) -> dict[str, Any]:
    reader, reranker, report = (opened.get(part) for part in ("reader", "reranker", "report"))
    about: dict[str, Any] = {}
    if reader is not None:
        about["reader"] = _made(reader) | {"encoder": reader.meta.get("encoder") is not None}
    if reranker is not None:
        about["reranker"] = _made(reranker) | {"requests": reranker.meta.get("requests")}
    if report is not None:
        found = read_report(report)
        about["measured"] = found["own"] | {"created": report.created, "run": found["run"]}
    return about


def _made(part: Artifact) -> dict[str, Any]:
    return {"hash": part.hash, "parent": part.parent, "created": part.created}
