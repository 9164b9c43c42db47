"""Metrics in Prometheus' format."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from segue.engine import Engine
from segue.records import Answer

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Metrics:
    """Counters and timings of one server."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "segue_answers", "Answers given, by likeliest domain.", ["domain"], registry=self._registry
        )
        self._actions = Counter(
            "segue_actions", "Feedback acknowledged, by action.", ["action"], registry=self._registry
        )
        self._seconds = Histogram(
            "segue_answer_seconds", "Time to make an answer.", buckets=_SECONDS, registry=self._registry
        )
        self._strategy = Histogram(
            "segue_strategy_seconds",
            "Time of one strategy in one answer.",
            ["strategy"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        items = Gauge("segue_items", "Items that can be found, by domain.", ["domain"], registry=self._registry)
        memory = Gauge("segue_memory_pairs", "Remembered (query, item) pairs.", registry=self._registry)
        memory.set_function(lambda: float(engine.memory.size))
        self._engine, self._items = engine, items

    def answered(self, answer: Answer) -> None:
        self._answers.labels(answer.hypotheses[0].domain).inc()
        self._seconds.observe(answer.milliseconds / 1000)
        for name, milliseconds in answer.trace["milliseconds"].items():
            if name in self._engine.strategies:
                self._strategy.labels(name).observe(milliseconds / 1000)

    def acted(self, action: str) -> None:
        self._actions.labels(action).inc()

    def text(self) -> bytes:
        for name in self._engine.domains.names():
            self._items.labels(name).set(len(self._engine.domains.get(name).snapshot))
        return generate_latest(self._registry)
