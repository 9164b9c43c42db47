"""Why a logged answer was given: what the policy saw, whom it asked and with what chance, and what put each result there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from segue.engine import Engine
from segue.retrieve.context import REQUEST, STRATEGY

_RESULTS, _AGREEMENT = STRATEGY.index("results"), STRATEGY.index("agreement")


def explained(engine: Engine, id: str) -> dict[str, Any]:
    """`Engine.answer`, and by domain under `explanation` what the policy knew and decided. Raises `NotFound`.

    `request` names the features that are not 0; `strategies` says of each one that was asked the `probability` it had, how
    many items it `brought`, its `first` if that was kept, and whether it was `left out` because it is broken; `results` holds
    for each id the `place` where the policy put it, the probabilities that it was `kept` and that it `stands` there, and whether
    the place was given away to learn (`tried`); a `ranker`, if one is live, put the results in order after that. A domain whose
    policy logs nothing for learning has its strategies only.
    """
    body = engine.answer(id)
    body["explanation"] = {
        part["domain"]: _domain(engine, body, part["domain"], body.get("learning", {}).get(part["domain"]))
        for part in body["trace"].get("domains", ())
    }
    return body


def as_text(body: Mapping[str, Any]) -> Iterator[str]:
    """The explanation for people, line by line."""
    yield f'"{body["request"]["text"]}" · {body["milliseconds"]:.1f} ms'
    if policy := body["trace"].get("policy"):
        yield f"policy: {policy}"
    if understood := body["trace"].get("understanding"):
        without = ", ".join(understood.get("without a reader", ()))
        yield f"understood by: {understood['by']}" + (f", as there is no reader of {without}" if without else "")
    if question := body.get("question"):
        yield f"asked back: {question['text']}"
    for part in body["trace"].get("domains", ()):
        yield ""
        yield f"{part['domain']}  {part['confidence']:.0%}  searched: {part['query']}"
        for reading in part["readings"]:
            yield f"  read as {reading['slots']} and the words {reading['words']}  ({reading['probability']:.0%})"
        yield from _asked(body["explanation"][part["domain"]])
    for place, result in enumerate(body["results"], 1):
        yield ""
        yield from _result(body, place, result)


# -- as data --------------------------------------------------------------------------------------------------------


def _domain(engine: Engine, body: Mapping[str, Any], domain: str, learning: Mapping[str, Any] | None) -> dict[str, Any]:
    asked = [one for one in body["selection"] if one["domain"] == domain]
    if learning is None:
        return {
            "decided by": "a policy that does not learn",
            "request": {},
            "strategies": [
                {"strategy": one["strategy"], "probability": one["propensity"], "asked for": one["k"]} for one in asked
            ],
            "not asked": [],
            "ranker": None,
            "results": {},
        }
    names = {one["strategy"] for one in asked}
    firsts = _firsts(engine, domain, learning)
    return {
        "decided by": learning["by"],
        "request": _features(learning["context"]),
        "strategies": [_strategy(one, learning, firsts) for one in asked],
        "not asked": [name for name in engine.strategies if name not in names],
        "ranker": learning.get("ranker"),
        "results": _chances(body, domain, learning),
    }


def _features(context: Sequence[float]) -> dict[str, float]:
    """By name; an answer from a time with other features keeps them to itself."""
    return (
        {name: value for name, value in zip(REQUEST, context, strict=True) if value}
        if len(context) == len(REQUEST)
        else {}
    )


def _strategy(
    asked: Mapping[str, Any], learning: Mapping[str, Any], firsts: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    name = asked["strategy"]
    described = learning["lists"].get(name, [0.0] * len(STRATEGY))
    return {
        "strategy": name,
        "probability": asked["propensity"],
        "asked for": asked["k"],
        "brought": round(float(np.expm1(4 * described[_RESULTS]))),
        "agreement": described[_AGREEMENT],
        "first": firsts.get(name),
        "left out": name in learning["lists"] and name not in learning["trusted"],
    }


def _firsts(engine: Engine, domain: str, learning: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Strategy → its first result, if that was kept; also when it has been deleted since."""
    ranks = np.array(learning["ranks"], dtype=np.int64).reshape(-1, len(learning["trusted"]))
    rows, columns = np.nonzero(ranks == 1)
    numbers = {learning["trusted"][column]: learning["numbers"][row] for row, column in zip(rows, columns, strict=True)}
    if domain not in engine.domains.names():
        return {}
    documents = engine.domains.get(domain).snapshot.documents(sorted(set(numbers.values())))
    return {
        name: {"id": documents[number].id, "title": documents[number].title}
        for name, number in numbers.items()
        if number in documents
    }


def _chances(body: Mapping[str, Any], domain: str, learning: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    ids: list[str] = next((ids for _, name, ids in body["shown"] if name == domain), [])
    return {
        id: {
            "place": row + 1,
            "kept": learning["propensity"][row][0],
            "stands": learning["propensity"][row][1],
            "tried": row == learning["reserved"],
        }
        for id, row in zip(ids, learning["shown"], strict=True)
    }


# -- as text --------------------------------------------------------------------------------------------------------


def _asked(domain: Mapping[str, Any]) -> Iterator[str]:
    yield f"  decided by: {domain['decided by']}"
    if domain["request"]:
        yield from _wrapped("  the request: ", [f"{name} {value:g}" for name, value in domain["request"].items()])
    for one in domain["strategies"]:
        yield f"  asked {one['strategy']:<10} {one['probability']:>5.0%}  {_brought(one)}".rstrip()
    if domain["not asked"]:
        yield from _wrapped("  not asked: ", domain["not asked"])
    if domain["ranker"]:
        yield f"  put in order by the ranker {domain['ranker']}"


def _brought(one: Mapping[str, Any]) -> str:
    if "brought" not in one:
        return f"for {one['asked for']}"
    if not one["brought"]:
        return "brought nothing"
    if one["left out"]:
        return f"brought {one['brought']}, left out: it is broken at present"
    first = f"first: {plain(one['first']['title'])}" if one["first"] else "its first did not make the page"
    return f"brought {one['brought']}, {first}"


def _result(body: Mapping[str, Any], place: int, result: Mapping[str, Any]) -> Iterator[str]:
    name = f"{result['domain']}/{result['id']}"
    yield f"{place:>3}. {plain(result['title'])}  [{result['domain']}]  {result['id']}"
    if result["sources"]:
        yield from _wrapped(
            "     found by ", [f"{name} #{source['rank']}" for name, source in result["sources"].items()]
        )
    if parts := dict(body["trace"].get("contributions", {}).get(name, {})):
        total = parts.pop("total")
        ordered = sorted(parts.items(), key=lambda part: -abs(part[1]))
        yield from _wrapped(f"     {total:.3f} = ", [f"{part} {value:+.3f}" for part, value in ordered], between=" ")
    if seen := body["trace"].get("memory", {}).get(name):
        yield f"     remembered: weight {seen['weight']:g} in {seen['shown']} showings, score {seen['score']:.3f}"
    decided = body["explanation"].get(result["domain"], {})
    if chances := decided.get("results", {}).get(result["id"]):
        where = f"{'before the ranker at ' if decided['ranker'] else ''}place {chances['place']} of {result['domain']}"
        yield f"     {where}: chance {_chance(chances['stands'])}; kept at all: {_chance(chances['kept'])}"
        if chances["tried"]:
            yield "     this place was given away, to learn what people think of it"


def _chance(probability: float) -> str:
    return f"{probability:.0%}" if probability >= 0.01 else "less than 1%"


def _wrapped(start: str, parts: Sequence[str], *, between: str = ", ", width: int = 110) -> Iterator[str]:
    """Parts after each other, on as many lines as they need."""
    line = start
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if len(line) + len(part) > width and line.strip():
            yield line.rstrip()
            line = " " * len(start)
        line += part + ("" if last else between)
    yield line


def plain(text: str) -> str:
    """Catalogue text for a terminal: without the characters that would command it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
