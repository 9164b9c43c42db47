"""Records that Segue wrote: the events whole, as they stood in the log."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from segue.asking import checked_id
from segue.errors import InvalidInput
from segue.recipes.ubi.staging import Record, Unusable

LATEST = 253_402_300_799.0
"""Seconds from 1970 to the end of the year 9999, where ISO 8601 ends."""

_UNFIT = "has a part `segue` that does not fit; without that part, the rest can be imported"
_Kinds = Mapping[str, type | tuple[type, ...]]
_ANSWER: _Kinds = MappingProxyType(
    {
        "id": str,
        "request": dict,
        "hypotheses": list,
        "results": list,
        "selection": list,
        "milliseconds": (int, float),
        "trace": dict,
        "shown": list,
    }
)
_REQUEST: _Kinds = MappingProxyType({"text": str, "context": dict})
_RESULT: _Kinds = MappingProxyType({"id": str, "title": str, "domain": str, "sources": dict})
_FEEDBACK: _Kinds = MappingProxyType(
    {"answer": str, "domain": str, "item": str, "action": str, "query": str, "position": int}
)


def answer_of(attributes: Mapping[str, Any], document: Mapping[str, Any]) -> Record:
    """Raises `Unusable` when the event is none of Segue's, or its UBI fields say something else."""
    id, time, body = _unwrapped(attributes["segue"])
    fits = (
        _holds(body, _ANSWER)
        and _holds(body["request"], _REQUEST)
        and all(_holds(result, _RESULT) for result in body["results"])
        and all(_is_shown(words) for words in body["shown"])
        and {domain for _, domain, _ in body["shown"]} >= {result["domain"] for result in body["results"]}
        and id == body["id"] == document.get("query_id")
        and body["request"]["text"] == document.get("user_query")
    )
    return Record("answer", id, id, time, _checked(fits, body))


def feedback_of(attributes: Mapping[str, Any], document: Mapping[str, Any]) -> Record:
    """Raises `Unusable` when the event is none of Segue's, or its UBI fields say something else."""
    id, time, body = _unwrapped(attributes["segue"])
    fits = (
        _holds(body, _FEEDBACK)
        and isinstance(body.get("undoes", ""), str)
        and body["answer"] == document.get("query_id")
        and body["action"] == document.get("action_name")
    )
    return Record("feedback", id, body["answer"] if fits else "", time, _checked(fits, body))


def _unwrapped(whole: object) -> tuple[str, float, Any]:
    """Id, time and body of the event."""
    parts = whole if isinstance(whole, dict) else {}
    time = parts.get("time")
    if not isinstance(time, int | float) or isinstance(time, bool) or not 0 <= time <= LATEST:
        raise Unusable(_UNFIT)
    try:
        return checked_id(parts.get("id", "")), time, parts.get("body")
    except InvalidInput as error:
        raise Unusable(_UNFIT) from error


def _checked(fits: bool, body: dict[str, Any]) -> dict[str, Any]:
    if not fits:
        raise Unusable(_UNFIT)
    return body


def _holds(body: object, kinds: _Kinds) -> bool:
    return isinstance(body, dict) and all(isinstance(body.get(name), kind) for name, kind in kinds.items())


def _is_shown(words: object) -> bool:
    """[query, domain, ids in order]"""
    return (
        isinstance(words, list)
        and [type(part) for part in words] == [str, str, list]
        and all(isinstance(id, str) for id in words[2])
    )
