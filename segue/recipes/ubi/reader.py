"""What a UBI file says: its records, checked, into the staging area."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from segue.asking import checked_id, make_request
from segue.errors import InvalidInput
from segue.recipes.ubi.own import LATEST, answer_of, feedback_of
from segue.recipes.ubi.report import Imported
from segue.recipes.ubi.staging import Record, Staging, Unusable
from segue.records import Request
from segue.retrieve.catalogue import Progress
from segue.retrieve.catalogue.documents import readable_id
from segue.retrieve.catalogue.tables import rows

ACTIONS: Mapping[str, str] = MappingProxyType(
    {"click_through": "click", "watch": "play", "add_to_cart": "save", "purchase": "buy"}
)
"""UBI's own names of actions and the store's action that each is taken for, unless the store's settings name it themselves.

`view` is left out: some applications mean that the page of an item was opened, others that a result was seen.
"""

_IMPRESSION = "impression"
_OPERATIONS = ("index", "create")
_ENOUGH = 1_000
"""Documents after which a file with nothing of UBI in it is not read on."""

_LONGEST = 200
"""Characters of the name of a user, a session or an application."""

_LAST = 1e9
"""The ordinal of an item whose event tells none."""


class Reader:
    """Takes the records out of files; the report is told of those that cannot be used."""

    def __init__(self, staging: Staging, report: Imported, actions: Mapping[str, float]) -> None:
        self._staging = staging
        self._report = report
        self._actions = {name: ours for name, ours in ACTIONS.items() if ours in actions}
        self._actions.update({name: name for name in actions})

    def read(self, file: Path, progress: Progress | None) -> None:
        """Raises `InvalidInput` for a file in which nothing is UBI, and what `rows` raises."""
        understood = 0
        for count, (where, id, document) in enumerate(self._documents(file, progress), 1):
            try:
                self._take(document, id)
                understood += 1
            except Unusable as unusable:
                self._report.reject(where, str(unusable))
            if count == _ENOUGH and not understood:
                break
        if not understood and self._report.rejected:
            where, reason = self._report.rejected_lines[0]
            raise InvalidInput(
                f"Nothing in {file} is UBI: {where} {reason}.",
                expected="an object a line: UBI queries (user_query) and UBI events (action_name)",
                fix="export the indexes ubi_queries and ubi_events as JSON lines",
            )

    def _documents(self, file: Path, progress: Progress | None) -> Iterator[tuple[str, object, Mapping[str, Any]]]:
        """(file and line, the source's own id if there is one, document) of bulk requests, dumps of an index, plain documents."""
        header: tuple[str, object] | None = None
        for row in rows(file):
            where = f"{file.name} line {row.line}"
            if progress:
                progress("reading", 1)
            if row.values is None:
                self._report.reject(where, row.reason)
                header = None
            elif (operation := _operation(row.values)) is not None:
                self._reject_lonely(header)
                header = where, operation.get("_id")
            elif isinstance(source := row.values.get("_source"), Mapping):
                yield where, row.values.get("_id"), source
            else:
                yield where, header[1] if header else None, row.values
                header = None
        self._reject_lonely(header)

    def _reject_lonely(self, header: tuple[str, object] | None) -> None:
        if header:
            self._report.reject(header[0], "announces a document, and none follows")

    def _take(self, document: Mapping[str, Any], id: object) -> None:
        if document.get("action_name") is not None:
            self._take_event(document, id)
        elif "user_query" in document:
            attributes = _part(document, "query_attributes")
            self._staging.add(answer_of(attributes, document) if "segue" in attributes else _query(document))
            self._report.queries += 1
        else:
            raise Unusable("is neither a UBI query (user_query) nor a UBI event (action_name)")

    def _take_event(self, document: Mapping[str, Any], id: object) -> None:
        name, attributes = document["action_name"], _part(document, "event_attributes")
        if "segue" in attributes:
            self._staging.add(feedback_of(attributes, document))
            self._report.actions += 1
            return
        if not isinstance(name, str):
            raise Unusable(f"has an action_name that is no text ({str(name)[:50]})")
        item, ordinal = readable_id(_part(attributes, "object").get("object_id")), _ordinal(attributes)
        if not item:
            self._report.about_no_item += 1
        elif name == _IMPRESSION:
            self._show(document, item, ordinal)
            self._report.impressions += 1
        elif name in self._actions:
            self._act(document, id, item)
            self._show(document, item, ordinal)
            self._report.actions += 1
        else:
            self._report.unknown_actions[name[:100]] += 1

    def _act(self, document: Mapping[str, Any], source: object, item: str) -> None:
        """The same event has the same id in every file, so that the log keeps it once."""
        query, name = _log_id(document.get("query_id")), document["action_name"]
        said = str(source) if source else orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()
        details = {"item": item, "action": self._actions[name], "name": name}
        self._staging.add(Record("action", _hash(query, said), query, _time(document), details))

    def _show(self, document: Mapping[str, Any], item: str, ordinal: float) -> None:
        if query := _log_id(document.get("query_id")):
            self._staging.add_shown(query, item, ordinal, _text(document, "session_id"))


def _operation(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a line of a bulk request says of the document behind it; None for any other line."""
    if len(values) != 1:
        return None
    ((name, operation),) = values.items()
    return operation if name in _OPERATIONS and isinstance(operation, Mapping) else None


def _query(document: Mapping[str, Any]) -> Record:
    id = _log_id(document.get("query_id"))
    if not id:
        raise Unusable("has no query_id")
    request = _request(document)
    details = {
        "text": request.text,
        "context": request.context,
        "hits": _hits(document),
        "application": _text(document, "application"),
    }
    return Record("query", id, id, _time(document), details)


def _request(document: Mapping[str, Any]) -> Request:
    context = {"user": _text(document, "user_id", "client_id"), "session": _text(document, "session_id")}
    try:
        return make_request(
            document["user_query"], context={key: value for key, value in context.items() if value is not None}
        )
    except InvalidInput as error:
        raise Unusable(f"cannot be asked: {error.what.rstrip('.')}") from error


def _hits(document: Mapping[str, Any]) -> list[str] | None:
    """What was found, in order; None when the source does not say, which is not the same as nothing."""
    hits = document.get("query_response_hit_ids")
    if hits is None:
        return None
    if not isinstance(hits, list) or not all(ids := [readable_id(hit) for hit in hits]):
        raise Unusable("has query_response_hit_ids that are no list of ids")
    return list(dict.fromkeys(ids))


def _ordinal(attributes: Mapping[str, Any]) -> float:
    ordinal = _part(attributes, "position").get("ordinal")
    return float(ordinal) if isinstance(ordinal, int | float) else _LAST


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object inside a document; an empty one when it is missing or null."""
    part = document.get(name)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise Unusable(f"has {name!r} that is no object")
    return part


def _text(document: Mapping[str, Any], *names: str) -> str | None:
    """The first of some fields that holds text, and not more of it than a request's context may hold."""
    values = (document.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and 0 < len(value) <= _LONGEST), None)


def _time(document: Mapping[str, Any]) -> float:
    """A timestamp in seconds since 1970: ISO 8601 (UTC unless it says otherwise) or a number of milliseconds."""
    stamp = document.get("timestamp")
    try:
        if isinstance(stamp, str):
            moment = datetime.fromisoformat(stamp)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        else:
            seconds = stamp / 1000 if isinstance(stamp, int | float) and not isinstance(stamp, bool) else -1.0
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds <= LATEST:
        raise Unusable(f"has the timestamp {str(stamp)[:50]!r}; ISO 8601 such as 2024-12-10T00:01:29.378Z was expected")
    return seconds


def _log_id(id: object) -> str:
    """A query's id as the log's: itself where it may be one, else a hash of it; nothing for none."""
    text = readable_id(id)
    try:
        return checked_id(text) if text else ""
    except InvalidInput:
        return _hash(text)


def _hash(*parts: str) -> str:
    return "ubi-" + sha256(orjson.dumps(parts)).hexdigest()[:32]
