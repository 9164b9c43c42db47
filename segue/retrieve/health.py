"""Is a strategy still what it was? A broken one is noticed, named and left out, watched with a trickle, and taken back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

_FAST, _SLOW = 0.03, 0.002
"""How much a new observation moves the short and the long average."""

_WARM = 100
"""Observations before anything can be said."""

_BROKEN, _WELL = 0.35, 0.6
"""Short over long average: below the first a strategy is taken for broken, above the second for well again."""

_SIGMAS = 4.0
"""… and only if the fall is so many standard deviations of the short average: a rare signal is not an alarm."""

Signal = Literal["agreement", "answers", "credit"]
SIGNALS: dict[Signal, str] = {  # what is said when it has fallen
    "agreement": "other strategies seldom find its first results now",
    "answers": "it seldom returns anything now",
    "credit": "what is taken is seldom among its results now",
}


@dataclass(slots=True)
class Average:
    """A short and a long exponential average of one signal, and the signal's variance."""

    count: int = 0
    short: float = 0.0
    long: float = 0.0
    variance: float = 0.0

    def observe(self, value: float, *, frozen: bool) -> None:
        """Take in a value; while `frozen` the long average, what is normal, does not follow."""
        self.count += 1
        share = 1 / self.count
        self.short += (share if share > _FAST else _FAST) * (value - self.short)
        if not frozen:
            step, moved = share if share > _SLOW else _SLOW, value - self.long
            self.variance += step * (moved**2 - self.variance)
            self.long += step * moved

    @property
    def fallen(self) -> bool:
        if self.count < _WARM or self.short >= _BROKEN * self.long:
            return False
        spread = float((self.variance * _FAST / (2 - _FAST)) ** 0.5)
        return self.long - self.short > _SIGMAS * spread

    @property
    def well(self) -> bool:
        return self.short > _WELL * self.long


@dataclass(slots=True)
class ArmHealth:
    """One strategy in one domain. `broken` names the signals that have fallen; `alarms` counts how often it broke."""

    averages: dict[Signal, Average] = field(default_factory=lambda: {signal: Average() for signal in SIGNALS})
    broken: tuple[Signal, ...] = ()
    alarms: int = 0

    @property
    def demoted(self) -> bool:
        return bool(self.broken)

    def observe(self, signal: Signal, value: float) -> bool:
        """Take in one observation; True when the verdict changed."""
        average, demoted = self.averages[signal], self.demoted
        average.observe(value, frozen=demoted)
        if demoted and all(self.averages[one].well for one in self.broken):
            self.broken = ()
            return True
        if not demoted and average.fallen:
            self.broken = (signal,)
            self.alarms += 1
            return True
        return False

    def state(self) -> dict[str, Any]:
        """As plain data."""
        averages = {signal: [one.count, one.short, one.long, one.variance] for signal, one in self.averages.items()}
        return {"averages": averages, "broken": list(self.broken), "alarms": self.alarms}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "ArmHealth":
        """The strategy that had this `state`."""
        averages = {signal: Average(*numbers) for signal, numbers in state["averages"].items()}
        return cls(averages, tuple(state["broken"]), state["alarms"])

    def describe(self) -> dict[str, object]:
        """For people and programs: the verdict, and each signal's short and long average."""
        return {
            "healthy": not self.demoted,
            "why": [SIGNALS[signal] for signal in self.broken],
            "alarms": self.alarms,
            **{
                signal: {"now": round(average.short, 4), "usually": round(average.long, 4), "seen": average.count}
                for signal, average in self.averages.items()
            },
        }
