"""The engine: a request's whole way through the house, from text to an answer that explains itself, and back as feedback."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from segue import answers
from segue.acting import as_result, beside
from segue.arbitration import asked_back, decided
from segue.asking import checked_id, make_request, new_id
from segue.clock import Clock
from segue.domains import NOTHING, Domains, Understood
from segue.encode.encoder import Encoder
from segue.errors import InvalidInput, NotFound
from segue.events import Event, EventLog
from segue.learned import Learned
from segue.live_agents import Instruction, LiveAgents, plan_of
from segue.live_encoder import LiveEncoder
from segue.live_readers import LiveReaders
from segue.page import make_page, worth_asking
from segue.rank.features import Features
from segue.rank.ranker import LiveRankers
from segue.records import Answer, Candidates, Feedback, Hypothesis, Request, Result, Selection
from segue.retrieve.bandit import Bandit
from segue.retrieve.catalogue import Progress, Report, Roles, Wishes
from segue.retrieve.catalogue.documents import readable_id
from segue.retrieve.catalogue.tables import fingerprint, from_mappings, rows
from segue.retrieve.context import ITEM, REQUEST, STRATEGY
from segue.retrieve.memory import Memory
from segue.retrieve.people import People
from segue.retrieve.select import Policy, Spent, retrieve
from segue.retrieve.strategies import Strategy, family
from segue.retrieve.strategies.remembered import seen_before
from segue.store import UNDO, Store
from segue.together import Hands

logger = logging.getLogger(__name__)

_REFRESH = 1.0
"""Seconds between looks at what other processes have written."""

_REFIT = 0.1
"""The choice between domains is fitted anew when more than this share of a catalogue has changed."""


class Engine:
    """An opened store. `with Engine.open("store") as engine: engine.ask("mary poppins")`."""

    def __init__(self, store: Store, encoder: Encoder | LiveEncoder, *, policy: Policy | None = None) -> None:
        self.store = store
        self._live_encoder = encoder if isinstance(encoder, LiveEncoder) else None
        self.domains = Domains(store, encoder.encoder if isinstance(encoder, LiveEncoder) else encoder)
        self.agents = LiveAgents(store)
        self.log = EventLog.open(store.events)
        self.memory = Memory(store.actions)
        self.people = People(store.actions)
        self._recent = answers.Recent(self.log)
        self.strategies: dict[str, Strategy] = family(self.memory, self.people)
        self.bandit = Bandit(list(self.strategies), self.memory, store.actions, mode=store.policy)
        self.policy: Policy = policy or self.bandit
        self.rankers = LiveRankers(store, Features(tuple(self.strategies), REQUEST, STRATEGY, ITEM))
        self._learned = Learned(
            store.learned,
            self.log,
            {"memory": self.memory, "people": self.people, "lessons": self.bandit.lessons, "recent": self._recent},
            settings={"actions": dict(store.actions), "strategies": list(self.strategies)},
        )
        self._learned.follow()
        self._hands = Hands()
        self._refreshed = time.monotonic()
        self._looking = threading.Lock()

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        create: bool = True,
        encoder: Encoder | None = None,
        policy: Policy | None = None,
        threads: int = 1,
    ) -> Self:
        """Open the store in `folder`, or make one there. `threads` are for encoding: 1 for requests, all cores to index.
        With an `encoder`, that one is used whatever goes live."""
        store = Store.open(folder, create=create)
        return cls(store, encoder or LiveEncoder(store, threads=threads), policy=policy)

    def close(self) -> None:
        """Write what is waiting, and what was learned if that is much, then let go of every file."""
        self._hands.close()
        self._learned.close()
        self.log.close()
        self.domains.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def encoder(self) -> Encoder:
        """The live one."""
        return self.domains.encoder

    # -- a request's way ----------------------------------------------------------------------------------------

    def ask(
        self,
        text: str,
        *,
        context: Mapping[str, str] | None = None,
        domain: str | None = None,
        limit: int = 10,
        seed: int = 0,
        id: str | None = None,
    ) -> Answer:
        """Answer a request. Raises `InvalidInput` for one that cannot be asked, `NotFound` for an unknown domain."""
        request = make_request(text, context=context, domain=domain, limit=limit, seed=seed, id=id)
        if id is not None and self._logged(id) is not None:
            raise InvalidInput(
                f"The id {id!r} is taken by another answer or action.",
                expected="an id of its own for each answer",
                fix="leave it out, or read the answer that has it",
            )
        self._look_around()
        answer, event = self._answered(request)
        self._recent.keep(event)
        self.log.append(event, patient=True).add_done_callback(_warn)
        return answer

    def rehearse(self, text: str, *, domain: str | None = None, limit: int = 10, seed: int = 0) -> Answer:
        """What `ask` would answer; nothing is logged, nobody learns from it, and no feedback on it is taken."""
        return self._answered(make_request(text, domain=domain, limit=limit, seed=seed))[0]

    def _answered(self, request: Request) -> tuple[Answer, Event]:
        """The answer to a request, and what is logged of it."""
        clock = Clock()
        told = self.agents.instruction(request)
        if told is not None and (request.domain is not None or not self.domains.names()):
            meant = NOTHING  # nobody else is to be asked
        else:
            meant = self.domains.meant(request, self.memory)
            told = told or self.agents.read(request, meant.hypotheses[0])
        clock.lap("understand")
        if told is not None and not meant.held:
            return self._act(request, told, meant.hypotheses, clock) or self._answered(request)
        elsewhere = all(one.hypothesis is not meant.hypotheses[0] for one in meant.understood)
        likely = worth_asking(meant.understood, elsewhere=elsewhere)
        asked = [self._retrieve(one, request, clock) for one in likely]
        candidates = [found for _, found in asked]
        spent = [
            self.policy.spend(one.query, one.catalogue, found, request.limit)
            for one, found in zip(likely, candidates, strict=True)
        ]
        clock.lap("spend")
        spent = [self._rank(one, what) for one, what in zip(likely, spent, strict=True)]
        results, shown = make_page(likely, candidates, [one.kept for one in spent], request.limit)
        clock.lap("rank")
        decision = decided(meant.hypotheses, held=meant.held)
        answer = Answer(
            id=request.id,
            request=request,
            hypotheses=meant.hypotheses,
            results=results,
            selection=tuple(chosen for selection, _ in asked for chosen in selection),
            milliseconds=round(clock.total(), 3),
            trace={"understanding": meant.about, **self._explain(likely, results, spent, shown, clock)},
            decision=decision,
            question=asked_back(meant.hypotheses, results) if decision == "ask" else None,
        )
        queries = {one.catalogue.domain: one.query.text for one in likely}
        learning = {
            one.catalogue.domain: {**what.learning, "shown": _logged_rows(what, rows)}
            for one, what, rows in zip(likely, spent, shown, strict=True)
            if what.learning
        }
        return answer, answers.to_event(answer, queries, learning)

    def _act(
        self, request: Request, told: Instruction, others: Sequence[Hypothesis], clock: Clock
    ) -> tuple[Answer, Event] | None:
        """Let an agent carry out an instruction; None where it cannot after all, and is not asked again."""
        walked = self.agents.walk(told, request.text)
        if walked is None:
            return None
        clock.lap("act")
        domain = told.hypothesis.domain
        answer = Answer(
            id=request.id,
            request=request,
            hypotheses=beside(told.hypothesis, others),
            results=(as_result(domain, walked),),
            selection=(),
            milliseconds=round(clock.total(), 3),
            trace={"understanding": told.about, "domains": [], "memory": {}, "milliseconds": clock.laps},
            walked=walked,
        )
        return answer, answers.to_event(answer, {domain: request.text}, {})

    def _retrieve(self, one: Understood, request: Request, clock: Clock) -> tuple[list[Selection], list[Candidates]]:
        """Ask the strategies that the policy chooses, until it has seen enough."""

        def ask(chosen: Selection) -> Candidates:
            with clock.beside(chosen.strategy):
                return self._ask(chosen, one)

        asked = retrieve(
            self.policy, one.query, one.catalogue, list(self.strategies), request.limit, ask, self._hands.each
        )
        clock.lap("retrieve")
        return asked

    def _ask(self, chosen: Selection, one: Understood) -> Candidates:
        """What a strategy returns; nothing from one that fails, for the others can still answer."""
        try:
            return self.strategies[chosen.strategy].retrieve(one.query, one.catalogue, chosen.k)
        except Exception:
            logger.exception("the strategy %s failed on %r", chosen.strategy, one.query.text[:100])
            return Candidates(chosen.strategy, np.zeros(0, np.int64), np.zeros(0, np.float32))

    def _rank(self, one: Understood, spent: Spent) -> Spent:
        """What was kept in the order of the domain's live ranker, if there is one; each place keeps its score, by which domains
        share the page. What was logged of the items stays as it was, and `order` says which of them stands where."""
        ranked = self.rankers.rank(one.catalogue.domain, spent.learning)
        if ranked is None:
            return spent
        return Spent(
            Candidates(spent.kept.strategy, spent.kept.numbers[ranked.order], spent.kept.scores),
            ranked.scores,
            ranked.parts,
            ranked.contributions,
            {**spent.learning, "ranker": ranked.by, "order": ranked.order.tolist()},
        )

    def _explain(
        self,
        likely: Sequence[Understood],
        results: Sequence[Result],
        spent: Sequence[Spent],
        shown: Sequence[Sequence[int]],
        clock: Clock,
    ) -> dict[str, Any]:
        """Why the answer is what it is, as plain data."""
        ids = {
            one.catalogue.domain: [each.id for each in results if each.domain == one.catalogue.domain] for one in likely
        }
        remembered = {
            f"{one.catalogue.domain}/{id}": {"weight": seen.weight, "shown": seen.shown, "score": seen.score}
            for one in likely
            for id, seen in self.memory.evidence(
                one.catalogue.domain,
                one.query.text,
                ids[one.catalogue.domain],
                seen_before(one.query, one.catalogue, self.memory),
            ).items()
        }
        return {
            "domains": [
                {
                    "domain": one.catalogue.domain,
                    "query": one.query.text,
                    "confidence": one.hypothesis.confidence,
                    "catalogue": {"version": one.catalogue.version, "items": len(one.catalogue)},
                    "readings": [
                        {"slots": reading.slots(), "words": list(reading.rest), "probability": reading.probability}
                        for reading in one.query.readings(one.catalogue)
                    ],
                }
                for one in likely
            ],
            "contributions": {
                f"{one.catalogue.domain}/{id}": {
                    "total": round(float(what.totals[row]), 6),
                    **{
                        part: round(float(value), 6)
                        for part, value in zip(what.parts, what.contributions[row], strict=True)
                        if value
                    },
                }
                for one, what, rows in zip(likely, spent, shown, strict=True)
                for row, id in zip(rows, ids[one.catalogue.domain], strict=True)
            },
            "memory": remembered,
            "policy": self.policy.describe(),
            "milliseconds": clock.laps,
        }

    # -- and back -----------------------------------------------------------------------------------------------

    def feedback(
        self, answer: Answer | str, item: Result | str, *, action: str, domain: str | None = None, id: str | None = None
    ) -> Feedback:
        """Tell what a person did with a result. When this returns, it is on disk and learned.

        `id` makes it safe to send twice. Raises `NotFound` for an unknown answer, or an item that was not in it, and
        `InvalidInput` for an action that the store does not know.
        """
        feedback, done = self.send_feedback(answer, item, action=action, domain=domain, id=id)
        done.result()
        return feedback

    def send_feedback(
        self, answer: Answer | str, item: Result | str, *, action: str, domain: str | None = None, id: str | None = None
    ) -> tuple[Feedback, "Future[tuple[bool, ...]]"]:
        """`feedback` without waiting: the future tells, when it is on disk and learned, whether it was new."""
        answer_id = answer.id if isinstance(answer, Answer) else answer
        item_id = item.id if isinstance(item, Result) else item
        if not isinstance(action, str) or (action != UNDO and action not in self.store.actions):
            known = ", ".join([*self.store.actions, UNDO])
            raise InvalidInput(
                f"There is no action {str(action)[:50]!r}.",
                expected=f"one of: {known}",
                fix="add it, with a weight, to segue.json in the store",
            )
        shown = self._recent.shown(answer_id)
        domain, (query, position) = _place(
            shown, domain or (item.domain if isinstance(item, Result) else None), item_id, answer_id
        )
        if id is not None and (before := self._logged(checked_id(id))) is not None:
            return _sent_before(before, Feedback(id, answer_id, domain, item_id, action, before.time))
        feedback = Feedback(new_id() if id is None else id, answer_id, domain, item_id, action, time.time())
        body = {
            "answer": answer_id,
            "domain": domain,
            "item": item_id,
            "action": action,
            "query": query,
            "position": position,
        }
        if action == UNDO:
            body["undoes"] = self._undone(answer_id, domain, item_id)
        return feedback, self.log.append(Event(feedback.id, "feedback", feedback.time, body))

    def _logged(self, id: str) -> Event | None:
        """What was logged under an id; of an answer that is still on its way to the disk too."""
        if self._recent.knows(id):
            self.log.written()
        return self.log.find(id)

    def _undone(self, answer: str, domain: str, item: str) -> str:
        self.log.refresh()  # it may have been another process that heard of it
        done = self._recent.actions(answer, domain, item)
        if not done:
            raise InvalidInput(
                f"There is nothing to undo on {item!r} of answer {answer!r}.", expected="an action before it"
            )
        return done[-1]

    def answer(self, id: str) -> dict[str, Any]:
        """A past answer as it was logged, with the catalogue's fields as they are now and what was done with each result.

        Raises `NotFound`.
        """
        self.log.written()  # the answer may still be on its way to the disk
        event = self.log.find(id)
        if event is None or event.kind != "answer":
            raise NotFound(f"There is no answer {str(id)[:100]!r}.", expected="the id of an answer from this store")
        body = dict(event.body)
        body["results"] = [
            {
                **result,
                "fields": self.domains.fields(result["domain"], result["id"]),
                "actions": self._recent.actions(id, result["domain"], result["id"]),
            }
            for result in body["results"]
        ]
        if "walked" in body:
            body["walked"] = {**body["walked"], "plan": plan_of(body["walked"]["house"])}
        return body

    def recent_answers(self, limit: int = 50) -> list[dict[str, Any]]:
        """The last answers, newest first, as they were logged, without what the policy learns from."""
        bodies = [dict(event.body) for event in self.log.recent("answer", limit)]
        return [{key: value for key, value in body.items() if key != "learning"} for body in bodies]

    def readers(self) -> LiveReaders:
        """What understands requests now: readers and re-rankers, those that were retired, and those that cannot be used."""
        self._look_around()
        return self.domains.readers

    # -- catalogues ---------------------------------------------------------------------------------------------

    def index(
        self,
        source: Path | str | Iterable[Mapping[str, Any]],
        *,
        domain: str,
        wishes: Wishes | None = None,
        replace: bool = False,
        encoding: str = "utf-8",
        whole: bool | None = None,
        chosen: Callable[[Roles], None] | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """Add or update the items of a file (CSV, JSON Lines, Parquet) or of rows in memory, all or nothing.

        A file's run that was stopped goes on where it was. See `Catalogue.index` for the rest.
        """
        if isinstance(source, str | Path):
            file = Path(source)
            stream, mark = rows(file, encoding=encoding), f"{fingerprint(file)} {encoding}"
        else:
            stream, mark = from_mappings(source), f"memory {new_id()}"
        catalogue = self.domains.get_or_create(domain)
        try:
            report = catalogue.index(
                stream,
                fingerprint=mark,
                wishes=wishes,
                replace=replace,
                whole=whole,
                chosen=chosen,
                progress=progress,
            )
        except InvalidInput:
            self.domains.drop_blank(domain)
            raise
        changed = report.added + report.updated + report.deleted
        if changed > _REFIT * len(catalogue.snapshot):
            self.domains.fit_choice()
        return report

    def delete(self, ids: Sequence[str], *, domain: str) -> list[str]:
        """Delete items; returns the ids that were there."""
        return self.domains.get(domain).delete(ids)

    def delete_listed(
        self, file: Path, *, domain: str, id_column: str | None = None, encoding: str = "utf-8"
    ) -> list[str]:
        """Delete the items that a file names in its id column; returns the ids that were there."""
        catalogue = self.domains.get(domain)
        column = id_column or (roles.id if (roles := catalogue.roles()) else "id")
        ids = [
            id for row in rows(file, encoding=encoding) if row.values and (id := readable_id(row.values.get(column)))
        ]
        if not ids:
            raise InvalidInput(
                f"{file} names no ids in a column {column!r}.", fix="say which column holds them: --id COLUMN"
            )
        return catalogue.delete(ids)

    def take_up(self) -> None:
        """Take up at once what other processes have indexed, logged, and let go live."""
        self._refreshed = -math.inf
        self._look_around()

    def _look_around(self) -> None:
        """Take up, now and then, what other processes have indexed and logged."""
        if time.monotonic() - self._refreshed > _REFRESH and self._looking.acquire(blocking=False):
            try:
                if self._live_encoder is not None and self._live_encoder.refresh():
                    self.domains.use(self._live_encoder.encoder)
                self.domains.refresh()
                self.log.refresh()
                self.rankers.refresh()
                self.agents.refresh()
                self._refreshed = time.monotonic()
            finally:
                self._looking.release()


def _logged_rows(spent: Spent, shown: Sequence[int]) -> list[int]:
    """Which rows of what the policy logged stand on the page."""
    order: Sequence[int] | None = spent.learning.get("order")
    return list(shown) if order is None else [order[place] for place in shown]


def _warn(logged: "Future[tuple[bool, ...]]") -> None:
    """An answer is given whether or not it can be logged; that it was not must not go unseen."""
    if (error := logged.exception()) is not None:
        logger.error("an answer was given and not logged: %s", error)


def _sent_before(event: Event, feedback: Feedback) -> "tuple[Feedback, Future[tuple[bool, ...]]]":
    """Feedback whose id is on disk already: not new when it says the same, refused when it says something else."""
    body = event.body
    same = (feedback.answer, feedback.domain, feedback.item, feedback.action)
    if event.kind != "feedback" or same != (body["answer"], body["domain"], body["item"], body["action"]):
        raise InvalidInput(
            f"The id {feedback.id!r} is taken by another answer or action.",
            expected="an id of its own for each action; the same one only to send the same again",
            fix="send a fresh id, or none",
        )
    done: Future[tuple[bool, ...]] = Future()
    done.set_result((False,))
    return feedback, done


def _place(
    shown: Mapping[tuple[str, str], tuple[str, int]], domain: str | None, item: str, answer: str
) -> tuple[str, tuple[str, int]]:
    found = [(name, place) for (name, id), place in shown.items() if id == item and domain in (None, name)]
    if not found:
        where = f" of the domain {domain!r}" if domain else ""
        raise NotFound(
            f"Answer {answer!r} did not show the item {str(item)[:200]!r}{where}.", expected="an item among its results"
        )
    if len(found) > 1:
        raise InvalidInput(
            f"Answer {answer!r} shows {item!r} in {len(found)} domains.",
            expected="the domain to be named",
            fix="pass domain=",
        )
    return found[0]
