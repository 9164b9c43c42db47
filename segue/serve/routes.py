"""The endpoints: HTTP in, an engine's verb, HTTP out."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Path, Query, Response

from segue.answers import to_body
from segue.engine import Engine
from segue.recipes.evaluate_policy import evaluate_policy
from segue.recipes.explain import explained
from segue.recipes.learning_report import LearningReport
from segue.recipes.understanding_report import understanding_report
from segue.recipes.upgrade.going_live import go_live, rollback, status
from segue.serve.bodies import Act, Ask, DeleteItems, GoLive, PutItems
from segue.serve.metrics import Metrics
from segue.store import UNDO

JUDGED = 300
"""Answers on which policies are judged for the console: some seconds."""

Id = Annotated[str, Path(max_length=200)]
_T = TypeVar("_T")


class Routes:
    """Endpoints over one engine. Asking, writing and looking at what was learned have threads of their own, so that the loop is
    always free to listen."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._asking = ThreadPoolExecutor(2, thread_name_prefix="segue-ask")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="segue-write")
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="segue-look")
        self._judging = ThreadPoolExecutor(1, thread_name_prefix="segue-judge")
        self._learning = LearningReport(engine)

    async def ask(self, body: Ask) -> Response:
        """Answer a request"""
        answer = await _in(self._asking, partial(self._engine.ask, **body.model_dump()))
        self._metrics.answered(answer)
        return _json(to_body(answer))

    async def feedback(self, body: Act) -> Response:
        """Tell what was done with a result

        Acknowledged when it is on disk and learned. Send an id of your own: sent twice, it counts once.
        """
        sent, done = self._engine.send_feedback(
            body.answer, body.item, action=body.action, domain=body.domain, id=body.id
        )
        (new,) = await asyncio.wrap_future(done)
        self._metrics.acted(sent.action)
        return _json({"id": sent.id, "domain": sent.domain, "new": new})

    async def past_answer(self, id: Id) -> Response:
        """A past answer, as it was given, and why"""
        return _json(await _in(self._asking, partial(explained, self._engine, id)))

    async def recent_answers(self, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
        """The last answers, newest first"""
        return _json({"answers": await _in(self._asking, partial(self._engine.recent_answers, limit))})

    async def domains(self) -> Response:
        """The domains and what is in them

        And the names of those in which an agent acts.
        """
        there = [_about(self._engine, name) for name in self._engine.domains.names()]
        return _json({"domains": there, "acting": list(self._engine.agents.domains)})

    async def actions(self) -> Response:
        """The actions that feedback may name, with their weights"""
        return _json({"actions": dict(self._engine.store.actions), "undo": UNDO})

    async def learning(self) -> Response:
        """What has been learned lately

        From the last answers: which strategies the results came from, regret against rank fusion, the strategies' health, and
        what the memory holds. At most two seconds old.
        """
        return _json(await _in(self._looking, self._learning.body))

    async def understanding(self) -> Response:
        """What understands requests, by domain

        Readers and re-rankers: what is live or retired, where it came from, how well its confidences hold with and without the
        re-ranker; which domains were taken for which; and what the last training changed.
        """
        return _json(await _in(self._looking, partial(understanding_report, self._engine)))

    async def upgrades(self) -> Response:
        """Which encoder answers, and which is to take over

        What is live and what was before, how far the items are embedded anew, and what the gate said of every candidate.
        """
        return _json(await _in(self._looking, partial(status, self._engine)))

    async def go_live(self, body: GoLive) -> Response:
        """Let a candidate take over

        One that the gate let pass: its encoder answers at once, beside the one before it.
        """
        return await self._after(
            partial(go_live, self._engine.store.folder, self._engine.store.artifacts / body.candidate)
        )

    async def rollback(self) -> Response:
        """Go back one step

        To the encoder before, with its vectors as they were. Nothing that was embedded is lost.
        """
        return await self._after(partial(rollback, self._engine.store.folder))

    async def _after(self, change: Callable[[], None]) -> Response:
        """What is live after a change of it."""

        def changed() -> Mapping[str, Any]:
            change()
            self._engine.take_up()
            return status(self._engine)

        return _json(await _in(self._writing, changed))

    async def policies(
        self,
        last: Annotated[int, Query(ge=1, le=5000, description="Judge on at most so many answers.")] = JUDGED,
        domain: Annotated[
            str | None, Query(max_length=200, description="Judge on the pages of this domain only.")
        ] = None,
    ) -> Response:
        """Other policies, judged from the log

        What people would have taken from pages that nobody was shown, as `segue evaluate policy` says. Takes some seconds.
        """
        return _json(
            await _in(self._judging, partial(evaluate_policy, self._engine, domain=domain, last=last, quiet=True))
        )

    async def put_items(self, domain: Id, body: PutItems) -> Response:
        """Add or update items

        All good rows at once or none. Rows that cannot be used are kept out and come back with their reasons.
        """
        report = await _in(self._writing, partial(self._engine.index, body.items, domain=domain))
        rejected = [{"row": line, "reason": reason} for line, reason in report.rejected_rows]
        return _json(
            {"added": report.added, "updated": report.updated, "unchanged": report.unchanged, "rejected": rejected}
        )

    async def delete_items(self, domain: Id, body: DeleteItems) -> Response:
        """Delete items by id"""
        there = await _in(self._writing, partial(self._engine.delete, body.ids, domain=domain))
        known = set(there)
        return _json({"deleted": there, "unknown": [id for id in body.ids if id not in known]})

    async def health(self) -> Response:
        """Whether the server can answer"""
        return _json({"status": "ok", "domains": len(self._engine.domains.names())})

    async def prometheus(self) -> Response:
        """Metrics in Prometheus' format"""
        return Response(self._metrics.text(), media_type=self._metrics.media_type)


async def _in(pool: ThreadPoolExecutor, call: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(pool, call)


def _json(value: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def _about(engine: Engine, name: str) -> dict[str, Any]:
    snapshot = engine.domains.get(name).snapshot
    return {
        "domain": name,
        "items": len(snapshot),
        "version": snapshot.version,
        "categories": list(snapshot.categories),
    }
