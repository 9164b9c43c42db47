"""A simulation's result for people: what `segue simulate` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

_COLUMNS = (
    ("recall: live", "live policy", "recall"),
    ("best single", "best single", "recall"),
    ("static RRF", "static RRF", "recall"),
    ("union", "union", "recall"),
    ("nDCG@10: live", "live policy", "ndcg@10"),
    ("best single", "best single", "ndcg@10"),
    ("static RRF", "static RRF", "ndcg@10"),
)


def as_table(result: Mapping[str, Any]) -> str:
    """The result for people: a Markdown table of the unseen queries, one of the repeated ones, and what they come to."""
    lines = _conditions(result)
    for kind, about in (
        ("unseen", "Unseen queries: nobody asked them, so what is better here was learned about requests in general."),
        ("repeated", "Repeated queries: those asked so far, which can also be remembered."),
    ):
        head = ["interactions", "queries", *(name for name, _, _ in _COLUMNS), "calls"]
        cells = [_cells(row["interactions"], row[kind]) for row in result["checkpoints"] if row[kind]["queries"]]
        lines += ["", about, "", *_aligned([head, *cells])]
    return "\n".join([*lines, "", *_verdicts(result)])


def _cells(interactions: int, found: Mapping[str, Any]) -> list[str]:
    measured = (f"{found[policy][measure]:.3f}" for _, policy, measure in _COLUMNS)
    return [f"{interactions:,}", f"{found['queries']:,}", *measured, f"{found['live policy']['calls']:.1f}"]


def _conditions(result: Mapping[str, Any]) -> list[str]:
    queries, missing, fault = result["queries"], result["documents not in the catalogue"], result["broken"]
    lines = [
        f"{queries['in the stream']:,} queries for the stream, {queries['unseen']:,} unseen ({queries['measured']:,} measured). "
        f"Clicks: {result['clicks']}, {result['noise']} noise. {result['budget']} candidates. Seed {result['seed']}. "
        f"Best single strategy: {result['best single']}."
    ]
    if missing:
        lines.append(f"Judged documents that are not in the catalogue, and count as not found: {missing:,}.")
    if fault:
        lines.append(f"From interaction {fault['from']:,} on, {_listed(fault['strategies'])} returned anything at all.")
    return lines


def _verdicts(result: Mapping[str, Any]) -> list[str]:
    """What the last checkpoint says, with how sure that is, and what was noticed of what broke."""
    last, fault, lines = result["checkpoints"][-1], result["broken"], []
    for kind in ("unseen", "repeated"):
        apart = last[kind]["over static RRF"]
        points = ", ".join(
            f"{100 * apart[measure]['difference']:+.1f} ± {100 * apart[measure]['±']:.1f} points of {name}"
            for measure, name in (("recall", "recall"), ("ndcg@10", "nDCG@10"))
        )
        lines.append(
            f"After {last['interactions']:,} interactions, live against static RRF on {kind} queries: {points}."
        )
    lines.append("(± is a 95 % interval over the queries measured; other people and another split are another seed.)")
    lines += [
        f"Alarm at interaction {one['interaction']:,}: {one['strategy']} {one['what']}." for one in result["alarms"]
    ]
    named = {alarm["strategy"] for alarm in result["alarms"]}
    if fault and (silent := [name for name in fault["strategies"] if name not in named]):
        lines.append(f"No alarm named {_listed(silent)}.")
    return lines


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table that can be read as it is, numbers to the right; the first row is its head."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    head, *others = (
        f"| {' | '.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
    )
    return [head, f"|{'|'.join('-' * (width + 1) + ':' for width in widths)}|", *others]
