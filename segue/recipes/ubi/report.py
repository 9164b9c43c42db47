"""What became of a UBI file."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

_REASONS = 100
"""Lines kept out whose reasons are kept."""


@dataclass(slots=True)
class Imported:
    """What became of a UBI file; filled while it is read.

    `queries` and `actions` are those that could be read. Each is one of `new`, `known` (its id was in the log before),
    `without_query` (an action on a query that is neither in the file nor in the log) and `without_item` (a query that
    showed, or an action on, no item that is known to belong to a catalogue).
    """

    queries: int = 0
    actions: int = 0
    impressions: int = 0
    new: int = 0
    known: int = 0
    without_query: int = 0
    without_item: int = 0
    about_no_item: int = 0
    """Events such as `search` or the leaving of a page."""

    unknown_actions: Counter[str] = field(default_factory=Counter)
    """Events on an item by names that are neither the store's actions nor in `ACTIONS`."""

    unknown_items: set[str] = field(default_factory=set)
    """Ids that no catalogue has."""

    ambiguous_items: set[str] = field(default_factory=set)
    """Ids that several catalogues have, when no domain was named."""

    rejected: int = 0
    rejected_lines: list[tuple[str, str]] = field(default_factory=list)
    """The first of the lines that could not be used: (file and line, reason)."""

    def reject(self, where: str, reason: str) -> None:
        self.rejected += 1
        if len(self.rejected_lines) < _REASONS:
            self.rejected_lines.append((where, reason))

    def to_body(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "queries": self.queries,
            "actions": self.actions,
            "impressions": self.impressions,
            "new": self.new,
            "known": self.known,
            "without_query": self.without_query,
            "without_item": self.without_item,
            "about_no_item": self.about_no_item,
            "unknown_actions": dict(self.unknown_actions.most_common()),
            "unknown_items": len(self.unknown_items),
            "ambiguous_items": len(self.ambiguous_items),
            "rejected": self.rejected,
            "rejected_lines": [{"line": where, "reason": reason} for where, reason in self.rejected_lines],
        }


def summary(report: Imported, actions: Iterable[str], say: Callable[[str], None]) -> str:
    """The report for people: what was kept out, and what helps, to `say`; returns the line that says what came in."""
    for where, reason in report.rejected_lines[:20]:
        say(f"  {where}: {reason}")
    if report.rejected > 20:
        say(f"  … and {report.rejected - 20:,} more lines")
    if report.unknown_actions:
        names = ", ".join(f"{name!r} ({count:,})" for name, count in report.unknown_actions.most_common(10))
        say(
            f"unknown actions, kept out: {names}. The store knows {', '.join(actions)}; to take another in, give it a "
            'weight under "actions" in segue.json and import again.'
        )
    if report.unknown_items:
        say(f"{len(report.unknown_items):,} items are in no catalogue, such as {min(report.unknown_items)!r}.")
    if report.ambiguous_items:
        say(
            f"{len(report.ambiguous_items):,} items are in several catalogues, such as {min(report.ambiguous_items)!r}, "
            "and were kept out: say with --domain whose they are."
        )
    kept_out = {
        "of a query that is not there": report.without_query,
        "without a known item": report.without_item,
        "about no item": report.about_no_item,
        "of an unknown action": report.unknown_actions.total(),
        "lines that cannot be used": report.rejected,
    }
    return (
        f"{report.queries:,} queries, {report.actions:,} actions, {report.impressions:,} impressions: {report.new:,} new, "
        f"{report.known:,} known before; kept out: "
        + (", ".join(f"{count:,} {what}" for what, count in kept_out.items() if count) or "nothing")
    )
