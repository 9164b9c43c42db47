"""What is known of people: what each user and each session took last, folded from the log.

Only what was taken is kept, in order. What a person is like is worked out of it when they ask: the mean of the vectors of
the items (`taste`), and what others took who took the same (`together`). So the fold needs no catalogue, an action that is
undone is gone without a trace, and an item's vector is always the one it has now.
"""

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from sys import intern

import numpy as np
from numpy.typing import NDArray

from segue.events import Event
from segue.state import State, cut, named, numbered, sizes

Floats = NDArray[np.float32]
Lookup = Callable[[Sequence[str]], Mapping[str, Floats]]
"""Ids of items of one domain → their unit vectors float32 [dimensions]; those that are not there are left out."""

Person = tuple[str, str]
"""'user' or 'session', and its name in the request's context."""

KINDS = ("user", "session")

_KEPT = {"user": 50, "session": 10}
"""Actions that are kept of a person: the last ones."""

_DECAY = 0.9
"""What an action counts, against the one behind it."""

_PEOPLE = 20_000
"""Users and sessions that are kept: those who acted last."""

_TASTES = 5_000
"""Tastes that are kept until their person acts again: those asked for last."""

_ANSWERS = 20_000
"""Answers whose users and sessions are at hand; an action on an older one is nobody's."""

_LAST = 10
"""Of a person's items, those that others are looked for with."""

_OTHERS = 30
"""Others who took the same item and are looked at: those who did last."""

_ALIKE = 50
"""Of them all, those whose items are looked at: those who share the most."""

_COMMON = 5.0
"""Added to how many people took an item, so that one whom few know does not stand first by chance."""


@dataclass(frozen=True, slots=True)
class Took:
    """One action: what item it was done to, and its weight in millionths."""

    domain: str
    item: str
    action: str
    units: int


class People:
    """Learned state in memory. `actions` gives the weight of each action; only those above 0 count.

    A fold over the log: the same online and by replay. Safe to read while another thread learns.
    """

    def __init__(self, actions: Mapping[str, float]) -> None:
        self._units = {action: round(weight * 1_000_000) for action, weight in actions.items()}
        self._asked: OrderedDict[str, tuple[Person, ...]] = OrderedDict()
        self._took: OrderedDict[Person, tuple[Took, ...]] = OrderedDict()
        self._takers: dict[tuple[str, str], dict[Person, None]] = {}
        self._tastes: OrderedDict[tuple[Person, str, Hashable], tuple[tuple[Took, ...], Floats | None]] = OrderedDict()
        self._lock = threading.Lock()

    def learn(self, event: Event) -> None:
        """Take in one event of the log."""
        with self._lock:
            if event.kind == "answer":
                self._keep(event)
            elif event.kind == "feedback":
                for person in self._asked.get(event.body["answer"], ()):
                    self._act(person, event.body)

    def knows(self, context: Mapping[str, str]) -> bool:
        """Whether the user or the session of a request has taken anything."""
        return any(person in self._took for person in persons(context))

    def taste(self, context: Mapping[str, str], domain: str, state: Hashable, lookup: Lookup) -> Floats | None:
        """Unit vector float32 [dimensions] of a request's user and session alike, or None when nothing is known.

        Of each, the mean of the vectors of what was taken in `domain`, by the action's weight, halved about every seventh
        action back. `state` is the catalogue's: what was worked out for it is kept until there is another, or an action.
        """
        known = [
            taste for person in persons(context) if (taste := self._taste(person, domain, state, lookup)) is not None
        ]
        return _unit(np.sum(known, axis=0)) if known else None

    def together(self, context: Mapping[str, str], domain: str, k: int) -> dict[str, float]:
        """Item id → score in (0, 1] of the `k` items that go best with what a request's user (or session) took last.

        Others who took some of the same items give all that they took the weight of those; the sum is divided by the
        square root of how many people took the item at all. Best first; what the person has taken is left out.

        Source: item-to-item collaborative filtering, Linden, Smith and York, "Amazon.com Recommendations" (2003); ours is
        worked out of the last histories when it is asked for, so that there is no table of pairs to keep.
        """
        with self._lock:
            person = next((person for person in persons(context) if person in self._took), None)
            if person is None:
                return {}
            own = list(dict.fromkeys(took.item for took in reversed(self._took[person]) if took.domain == domain))
            votes: Counter[str] = Counter()
            for other, weight in self._alike(person, domain, own[:_LAST]):
                for id in {took.item for took in self._took[other] if took.domain == domain}:
                    votes[id] += weight
            scores = {
                id: weight / (len(self._takers[domain, id]) + _COMMON) ** 0.5
                for id, weight in votes.items()
                if id not in own
            }
        best = sorted(scores, key=lambda id: (-scores[id], id))[:k]
        return {id: scores[id] / scores[best[0]] for id in best}

    def _alike(self, person: Person, domain: str, items: Sequence[str]) -> list[tuple[Person, int]]:
        """The people who share the most of a person's items (the last first), with their weight in millionths."""
        weights: Counter[Person] = Counter()
        for age, item in enumerate(items):
            weight = round(1_000_000 * _DECAY**age)
            takers = reversed(self._takers[domain, item])
            for other in islice((one for one in takers if one[0] == person[0] and one != person), _OTHERS):
                weights[other] += weight
        return sorted(weights.items(), key=lambda one: (-one[1], one[0]))[:_ALIKE]

    def digest(self) -> str:
        """A hash of the whole state: equal digests mean equal learned state."""
        state = hashlib.sha256()
        with self._lock:
            for kept in (self._asked, self._took):
                for one in kept.items():
                    state.update(repr(one).encode())
            for pair, takers in sorted(self._takers.items()):
                state.update(repr((pair, list(takers))).encode())
        return state.hexdigest()

    def state(self) -> State:
        """Everything that was learned; the tastes that are kept at hand are left out."""
        with self._lock:
            asked, histories, takers = self._asked.values(), self._took.values(), self._takers.values()
            people = dict.fromkeys(chain(chain.from_iterable(asked), self._took))
            numbers = {person: number for number, person in enumerate(people)}
            took = list(chain.from_iterable(histories))
            names, named_by = numbered([name for one in took for name in (one.domain, one.item, one.action)])
            places = {name: number for number, name in enumerate(names)}

            def of(persons: Iterable[Person]) -> NDArray[np.int32]:
                return np.fromiter(map(numbers.__getitem__, persons), np.int32)

            return State(
                {
                    "people": list(people),
                    "answers": list(self._asked),
                    "names": names,
                    "units": [one.units for one in took],
                },
                {
                    "asked": of(chain.from_iterable(asked)),
                    "asked sizes": sizes(asked),
                    "who": of(self._took),
                    "took": named_by,
                    "took sizes": sizes(histories),
                    "taken": np.fromiter(map(places.__getitem__, chain.from_iterable(self._takers)), np.int32),
                    "takers": of(chain.from_iterable(takers)),
                    "takers sizes": sizes(takers),
                },
            )

    def restore(self, state: State) -> None:
        """Know what a `state` of people with the same actions knew, and nothing else."""
        data, arrays = state.data, state.arrays
        people: list[Person] = [(kind, name) for kind, name in data["people"]]
        names = [intern(name) for name in data["names"]]

        def persons_in(array: str) -> list[Person]:
            return [people[number] for number in arrays[array].tolist()]

        words = iter(named(names, arrays["took"]))
        took = [Took(*one) for one in zip(words, words, words, data["units"], strict=True)]
        taken = iter(named(names, arrays["taken"]))
        with self._lock:
            asking = cut(persons_in("asked"), arrays["asked sizes"])
            self._asked = OrderedDict(zip(data["answers"], map(tuple, asking), strict=True))
            histories = cut(took, arrays["took sizes"])
            self._took = OrderedDict(zip(persons_in("who"), map(tuple, histories), strict=True))
            takers = cut(persons_in("takers"), arrays["takers sizes"])
            pairs = zip(taken, taken, strict=True)
            self._takers = {pair: dict.fromkeys(one) for pair, one in zip(pairs, takers, strict=True)}
            self._tastes.clear()

    def _keep(self, event: Event) -> None:
        if asking := persons(event.body.get("request", {}).get("context", {})):
            self._asked[event.id] = asking
            if len(self._asked) > _ANSWERS:
                self._asked.popitem(last=False)

    def _act(self, person: Person, body: Mapping[str, str]) -> None:
        history = self._took.get(person, ())
        domain, item = intern(body["domain"]), intern(body["item"])
        if (undone := body.get("undoes")) is not None:
            self._replace(person, history, _without(history, domain, item, undone))
        elif (units := self._units.get(body["action"], 0)) > 0:
            took = Took(domain, item, intern(body["action"]), units)
            self._replace(person, history, (*history, took)[-_KEPT[person[0]] :])
            self._took.move_to_end(person)
            takers = self._takers.setdefault((domain, item), {})
            takers.pop(person, None)
            takers[person] = None
            if len(self._took) > _PEOPLE:
                self._replace(*next(iter(self._took.items())), ())

    def _replace(self, person: Person, before: tuple[Took, ...], after: tuple[Took, ...]) -> None:
        """Change a history, and take the person from the takers of what is in it no more."""
        if after:
            self._took[person] = after
        else:
            self._took.pop(person, None)
        kept = {(took.domain, took.item) for took in after}
        for pair in {(took.domain, took.item) for took in before} - kept:
            del self._takers[pair][person]
            if not self._takers[pair]:
                del self._takers[pair]

    def _taste(self, person: Person, domain: str, state: Hashable, lookup: Lookup) -> Floats | None:
        with self._lock:
            took = self._took.get(person, ())
            kept = self._tastes.get((person, domain, state))
        if kept is not None and kept[0] is took:
            return kept[1]
        here = [one for one in took if one.domain == domain]
        vectors = lookup(list(dict.fromkeys(one.item for one in here))) if here else {}
        weighed = [
            one.units * _DECAY**age * vectors[one.item] for age, one in enumerate(reversed(here)) if one.item in vectors
        ]
        taste = _unit(np.sum(weighed, axis=0)) if weighed else None
        with self._lock:
            self._tastes[person, domain, state] = took, taste
            self._tastes.move_to_end((person, domain, state))
            if len(self._tastes) > _TASTES:
                self._tastes.popitem(last=False)
        return taste


def persons(context: Mapping[str, str]) -> tuple[Person, ...]:
    """The user and the session that a request's context names.

    >>> persons({"device": "tv", "session": "s7", "user": "ann"})
    (('user', 'ann'), ('session', 's7'))
    """
    return tuple((kind, context[kind]) for kind in KINDS if context.get(kind))


def _without(history: tuple[Took, ...], domain: str, item: str, action: str) -> tuple[Took, ...]:
    """A history without the last such action; the same when it is not there any more."""
    for place in range(len(history) - 1, -1, -1):
        took = history[place]
        if (took.domain, took.item, took.action) == (domain, item, action):
            return history[:place] + history[place + 1 :]
    return history


def _unit(vector: NDArray[np.floating]) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)
