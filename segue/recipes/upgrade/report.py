"""What the gate said of a candidate, as plain data: kept in the store, and told."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from segue.evolve.release import Verdict
from segue.store import Store, write_whole

_SHOWN = 20
"""Broken cases that a report lists of each verdict."""


def report(store: Store, candidate: str, kind: str, verdicts: Mapping[str, Verdict], **about: Any) -> dict[str, Any]:
    """Keep what was said of a candidate, by its name, in place of what was said before. It passes where every verdict does."""
    found = {
        "candidate": candidate,
        "kind": kind,
        "passed": all(verdict.passed for verdict in verdicts.values()),
        "time": time.time(),
        **about,
        "verdicts": {what: _plain(verdict) for what, verdict in verdicts.items()},
    }
    store.upgrades.mkdir(exist_ok=True)
    file = store.upgrades / f"{candidate}.json"
    write_whole(file, orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2))
    return found


def _plain(verdict: Verdict) -> dict[str, Any]:
    body = asdict(verdict)
    return {**body, "lost": len(verdict.broken), "broken": body["broken"][:_SHOWN]}


def said_of(store: Store, candidate: str) -> dict[str, Any] | None:
    """What the gate last said of a candidate, by its name; None where it was not asked."""
    file = store.upgrades / f"{Path(candidate).name}.json"
    if not file.exists():
        return None
    try:
        report: dict[str, Any] = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        return None
    return report


_TITLES = {
    "vectors": "by vectors alone",
    "answers": "in the whole answer",
    "domain": "the right domain first",
    "requests": "requests read right",
}


def as_text(report: Mapping[str, Any]) -> str:
    """The report for people: what breaks is named."""
    lines = [f"{report['candidate']}: {'PASSED' if report['passed'] else 'REFUSED'}"]
    for what, verdict in report["verdicts"].items():
        before, after = verdict["right"]
        mark = "passes" if verdict["passed"] else "refused"
        lines.append(
            f"  {_TITLES[what]}: {before:.1%} before, {after:.1%} then, of {verdict['cases']:,} cases; "
            f"{mark}: {verdict['reason']}"
        )
        for name, group in verdict["groups"].items():
            lines.append(
                f"    {name}: {group['before']:.1%} → {group['after']:.1%} of {group['cases']:,}, lost {group['negative']:.2%}"
            )
        for one in verdict["broken"][:5]:
            then = f"rank {one['after']}" if one["after"] else "not found"
            lines.append(
                f"    lost: {one['case']['text']!r} found {one['case']['wanted']} at {one['before']}, then {then}"
            )
        if verdict["lost"] > 5:
            lines.append(f"    … and {verdict['lost'] - 5:,} more")
    return "\n".join(lines)
