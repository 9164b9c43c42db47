"""Answers as events: what is written to the log, what is read back, and what is kept at hand for feedback."""

from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from segue.errors import InvalidInput, NotFound
from segue.events import Event, EventLog
from segue.records import Answer, Hypothesis, Question, Selection, Walked
from segue.state import State

_KEPT = 5_000
"""Answers whose results are kept in memory, so that feedback need not look them up."""


def to_body(answer: Answer) -> dict[str, Any]:
    """An answer as plain data: what `segue ask --json` prints and the log keeps (but for `shown`, see `to_event`)."""
    return {
        "id": answer.id,
        "request": {
            "text": answer.request.text,
            "context": dict(answer.request.context),
            "domain": answer.request.domain,
            "limit": answer.request.limit,
            "seed": answer.request.seed,
            "time": answer.request.time,
        },
        "decision": answer.decision,
        "question": None if answer.question is None else _question(answer.question),
        "hypotheses": [_hypothesis(reading) for reading in answer.hypotheses],
        "results": [
            {
                "id": result.id,
                "title": result.title,
                "domain": result.domain,
                "score": result.score,
                "sources": {
                    name: {"rank": source.rank, "score": source.score} for name, source in result.sources.items()
                },
                "fields": dict(result.fields),
            }
            for result in answer.results
        ],
        "selection": [_selection(chosen) for chosen in answer.selection],
        "milliseconds": answer.milliseconds,
        "trace": dict(answer.trace),
    } | ({} if answer.walked is None else {"walked": _walked(answer.walked)})


def _hypothesis(reading: Hypothesis) -> dict[str, Any]:
    return {
        "domain": reading.domain,
        "intent": reading.intent,
        "slots": dict(reading.slots),
        "confidence": reading.confidence,
    }


def _question(question: Question) -> dict[str, Any]:
    choices = [{"label": one.label, "title": one.title, **_hypothesis(one.hypothesis)} for one in question.choices]
    return {"text": question.text, "choices": choices}


def _selection(chosen: Selection) -> dict[str, Any]:
    return {"domain": chosen.domain, "strategy": chosen.strategy, "k": chosen.k, "propensity": chosen.propensity}


def _walked(walked: Walked) -> dict[str, Any]:
    return {
        **asdict(walked),
        "house": dict(walked.house),
        "places": [asdict(place) for place in walked.places],
        "steps": [asdict(step) for step in walked.steps],
    }


def to_event(answer: Answer, queries: Mapping[str, str], learning: Mapping[str, Any]) -> Event:
    """The event of an answer. `shown` says which items stood under which words, [[query, domain, ids in order]]; `learning`
    holds for each domain what the policy wants to be told again."""
    body = to_body(answer)
    for result in body["results"]:
        del result["fields"]  # the catalogue has them
    if "walked" in body:
        del body["walked"]["plan"]  # it can be drawn again from the house's seed and number
    shown: dict[str, list[str]] = defaultdict(list)
    for result in answer.results:
        shown[result.domain].append(result.id)
    body["shown"] = [[queries[domain], domain, ids] for domain, ids in shown.items()]
    body["learning"] = learning
    return Event(answer.id, "answer", answer.request.time, body)


class Recent:
    """The last answers and what was done with them; follows the log, and asks it for older ones."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._shown: OrderedDict[str, dict[tuple[str, str], tuple[str, int]]] = OrderedDict()
        self._actions: OrderedDict[tuple[str, str, str], list[str]] = OrderedDict()

    def keep(self, event: Event) -> None:
        """Have an answer at hand before it is on disk."""
        self._shown[event.id] = _places(event.body)
        _trim(self._shown)

    def learn(self, event: Event) -> None:
        """Keep what was done with which item, for `undo`."""
        if event.kind != "feedback":
            return
        body = event.body
        done = self._actions.setdefault((body["answer"], body["domain"], body["item"]), [])
        if "undoes" not in body:
            done.append(body["action"])
        elif body["undoes"] in done:
            done.reverse()
            done.remove(body["undoes"])
            done.reverse()
        _trim(self._actions)

    def state(self) -> State:
        """What was done with which item; the answers at hand are not of it, for the log has them."""
        return State({"done": [[*place, list(actions)] for place, actions in self._actions.items()]})

    def restore(self, state: State) -> None:
        """Know what a `state` knew, and nothing else."""
        self._actions = OrderedDict(
            ((answer, domain, item), list(actions)) for answer, domain, item, actions in state.data["done"]
        )

    def shown(self, answer: str) -> Mapping[tuple[str, str], tuple[str, int]]:
        """(domain, item) → (the words it was found for, its position from 1). Raises `NotFound` for an unknown answer."""
        if not isinstance(answer, str):
            raise InvalidInput(f"The answer is a {type(answer).__name__}.", expected="an answer's id")
        if (known := self._shown.get(answer)) is not None:
            return known
        event = self._log.find(answer)
        if event is None or event.kind != "answer":
            raise NotFound(
                f"There is no answer {answer[:100]!r}.",
                expected="the id of an answer from this store",
                fix="ask again, and use the id of that answer",
            )
        return _places(event.body)

    def knows(self, answer: str) -> bool:
        """Whether an answer of this id is at hand, on disk or on its way there."""
        return answer in self._shown

    def actions(self, answer: str, domain: str, item: str) -> list[str]:
        """What was done with a result and not undone, in order; of the last answers only."""
        return list(self._actions.get((answer, domain, item), ()))


def _places(body: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, int]]:
    query = {domain: text for text, domain, _ in body["shown"]}
    return {
        (result["domain"], result["id"]): (query[result["domain"]], position)
        for position, result in enumerate(body["results"], 1)
    }


def _trim(kept: "OrderedDict[Any, Any]") -> None:
    if len(kept) > _KEPT:
        kept.popitem(last=False)
