"""What is kept of what was learned: equal, to the last bit, to what the log comes to; never more than a shortcut."""

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from segue import answers, artifact
from segue import learned as module
from segue.answers import Recent
from segue.encode.encoder import Vectors
from segue.engine import Engine
from segue.events import Event, EventLog
from segue.learned import Fold, Learned
from segue.records import Candidates, Request
from segue.retrieve import memory, pages, people
from segue.retrieve.context import ITEM, REQUEST, STRATEGY
from segue.retrieve.examination import Examination
from segue.retrieve.lessons import Lessons
from segue.retrieve.memory import Memory
from segue.retrieve.pages import to_log
from segue.retrieve.people import People
from segue.retrieve.query import Query
from segue.retrieve.union import unite
from segue.state import State
from segue.store import ACTIONS

NAMES = ("text", "dense", "grams")
WORDS = ("love story", "stories of love", "love stroy", "the birds", "emma", "🎬", "psycho 1960", "psycho")
USERS = ("ann", "bob", "cleo", "")


# -- logs -------------------------------------------------------------------------------------------------------------


def page(random: np.random.Generator, text: str, *, broken: bool) -> dict[str, Any]:
    """What a policy logs of a page: lists of chance, and one strategy that returns nothing any more when it is `broken`."""
    lists = {name: random.permutation(15)[: random.integers(1, 8)].tolist() for name in NAMES}
    if broken:
        lists["grams"] = []
    found = [
        Candidates(name, np.array(numbers, np.int64), np.linspace(1, 0.5, len(numbers)).astype(np.float32))
        for name, numbers in lists.items()
    ]
    union = unite(found)
    described = random.uniform(0, 1, (len(found), len(STRATEGY))).round(4)
    described[:, STRATEGY.index("results")] = [len(one) for one in found]
    query = Query(Request("", text), text, lambda texts: np.zeros((len(texts), 4), np.float32))
    context, items = random.uniform(0, 1, len(REQUEST)).round(4), random.uniform(0, 1, (len(union.numbers), len(ITEM)))
    kept = np.arange(min(len(union.numbers), 10))
    logged = to_log(query, found, context, described, found, union, items.round(4), kept)
    return {**logged, "shown": list(range(len(kept))), "own place": list(range(len(kept), 0, -1))}


def logged(count: int, seed: int, *, broken: range = range(0)) -> list[Event]:
    """So many answers of one or two domains, and what people did with them: also twice, undone, late, and to what was not
    there."""
    random, events = np.random.default_rng(seed), list[Event]()
    acts: list[tuple[str, str, str, str, int, str]] = []
    for n in range(count):
        domains = [["films"], ["films", "books"], ["books"]][random.integers(3)]
        text = WORDS[random.integers(len(WORDS))] + ("" if random.random() < 0.5 else f" {random.integers(60)}")
        made = {domain: page(random, text, broken=n in broken) for domain in domains}
        shown = {domain: [f"{domain[0]}{number}" for number in one["numbers"]] for domain, one in made.items()}
        results = [{"id": id, "domain": domain} for domain, ids in shown.items() for id in ids]
        context = {"user": USERS[random.integers(4)], "session": f"s{random.integers(30)}"}
        listing = [[text, domain, ids] for domain, ids in shown.items()]
        body = {"request": {"context": context}, "results": results, "shown": listing, "learning": made}
        events.append(Event(f"a{n}", "answer", float(n), body))
        for place, result in enumerate(results, 1):
            if random.random() < 0.15:
                action = [*ACTIONS, "unknown"][random.integers(len(ACTIONS) + 1)]
                acts.append((f"a{n}", text, result["domain"], result["id"], place, action))
        for _ in range(random.integers(3)):
            if acts:
                told = acts[-1 - random.integers(min(len(acts), 30))]
                events.append(act(len(events), *told, undone=random.random() < 0.2))
    return events


def act(
    number: int, answer: str, query: str, domain: str, item: str, place: int, action: str, *, undone: bool
) -> Event:
    body: dict[str, Any] = {"answer": answer, "domain": domain, "item": item, "query": query, "position": place}
    body |= {"action": "undo", "undoes": action} if undone else {"action": action}
    return Event(f"e{number}", "feedback", float(number), body)


class Nothing:
    """A log in which nothing is found."""

    def find(self, id: str) -> None: ...


def learners(names: Sequence[str] = NAMES, actions: Mapping[str, float] = ACTIONS) -> dict[str, Fold]:
    """Fresh ones, in the order in which the engine has them."""
    remembered = Memory(actions)
    lessons = Lessons(names, actions, remembered.examination)
    recent = Recent(Nothing())  # type: ignore[arg-type]
    return {"memory": remembered, "people": People(actions), "lessons": lessons, "recent": recent}


def learn(folds: Mapping[str, Fold], events: Sequence[Event]) -> Mapping[str, Fold]:
    for event in events:
        for fold in folds.values():
            fold.learn(event)
    return folds


def bits(folds: Mapping[str, Fold]) -> dict[str, str]:
    """Everything that they know, to the last bit."""
    known = {}
    for name, fold in folds.items():
        content, tensors = written(fold.state())
        hashes = {key: (one.dtype.str, one.shape, zlib.crc32(one.tobytes())) for key, one in tensors.items()}
        known[name] = repr((zlib.crc32(content), hashes, getattr(fold, "digest", lambda: "")()))
    return known


def written(state: State) -> tuple[bytes, dict[str, Any]]:
    tensors: dict[str, Any] = {}
    return orjson.dumps(module._encoded(state, tensors)), tensors


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so low that a short log reaches them all."""
    for where, name, value in (
        (memory, "_WAITING", 20),
        (memory, "_CROWDED", 12),
        (memory, "_REFRESH", 20),
        (memory, "_LEADING", 4),
        (people, "_PEOPLE", 12),
        (people, "_ANSWERS", 40),
        (pages, "_QUERIES", 9),
        (pages, "_OPEN", 8),
        (answers, "_KEPT", 15),
    ):
        monkeypatch.setattr(where, name, value)
    monkeypatch.setattr(memory, "Examination", lambda positions: Examination(positions, pairs=120))


# -- to the last bit ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(6))
def test_what_is_given_back_goes_on_as_if_nothing_had_been(seed: int, tmp_path: Path) -> None:
    """At three cuts one after the other, through files: everything equal to a fold over the whole log, at every cut and after."""
    events = logged(150, seed, broken=range(110, 150))
    cuts = sorted(np.random.default_rng(seed).choice(len(events), 3, replace=False).tolist())
    folds, begun = learners(), 0
    for number, cut in enumerate([*cuts, len(events)]):
        learn(folds, events[begun:cut])
        assert bits(folds) == bits(learn(learners(), events[:cut]))
        folds, begun = through_files(folds, tmp_path / str(number)), cut
        assert bits(folds) == bits(learn(learners(), events[:cut]))


def through_files(folds: Mapping[str, Fold], folder: Path) -> dict[str, Fold]:
    content, tensors = written(State(parts={name: fold.state() for name, fold in folds.items()}))
    part = artifact.write(folder, kind="learned", name="one", tensors=tensors, files={"state.json": content})
    state = module._decoded(orjson.loads(part.path("state.json").read_bytes()), part.tensors())
    fresh = learners()
    for name, fold in fresh.items():
        fold.restore(state.parts[name])
    return fresh


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_at_any_cut(seed: int, share: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    events = logged(70, seed)
    cut = round(share * len(events))
    folds = through_files(learn(learners(), events[:cut]), tmp_path_factory.mktemp("kept") / "one")
    assert bits(learn(folds, events[cut:])) == bits(learn(learners(), events))


def test_a_strategy_that_broke_is_broken_still(tmp_path: Path) -> None:
    """With what was learned of its health, its alarms, and of draws made since."""
    events = logged(420, 3, broken=range(330, 420))
    whole = learn(learners(), events)
    lessons = whole["lessons"]
    assert isinstance(lessons, Lessons)
    assert lessons.of("films").broken == {"grams"}
    assert lessons.of("films").model.belief.batches > 3
    assert lessons.of("films").takes > 0
    for cut in (len(events) // 2, len(events) - 60, len(events) - 1):
        folds = through_files(learn(learners(), events[:cut]), tmp_path / str(cut))
        learn(folds, events[cut:])
        assert bits(folds) == bits(whole)


def test_what_is_asked_of_it_is_the_same(tmp_path: Path) -> None:
    """Not only the state: also what is worked out of it, with the caches that are not kept."""
    events = logged(150, 1)
    whole = learn(learners(), events)
    again = through_files(whole, tmp_path / "kept")
    one, other = whole["memory"], again["memory"]
    assert isinstance(one, Memory)
    assert isinstance(other, Memory)
    for text in (*WORDS, "birds", "psycho 1961", "stori of love"):
        for domain in ("films", "books", "songs"):
            assert other.remembered(domain, text) == one.remembered(domain, text)
            assert list(other.remembered(domain, text)) == list(one.remembered(domain, text))
            assert other.most_taken(domain, 7) == one.most_taken(domain, 7)
    before, after = whole["people"], again["people"]
    assert isinstance(before, People)
    assert isinstance(after, People)
    for user in USERS:
        assert after.together({"user": user}, "films", 10) == before.together({"user": user}, "films", 10)
    old, new = whole["lessons"], again["lessons"]
    assert isinstance(old, Lessons)
    assert isinstance(new, Lessons)
    for name, drawn in old.of("films").worth._drawn.items():
        same = new.of("films").worth._drawn[name]
        assert (same.tobytes(), same.flags.f_contiguous) == (drawn.tobytes(), drawn.flags.f_contiguous)
    draws = [lessons.of("films").model.belief.draws for lessons in (old, new)]
    assert draws[0].flags.f_contiguous == draws[1].flags.f_contiguous


def test_a_state_does_not_change_when_its_learner_goes_on() -> None:
    events = logged(120, 2)
    folds = learn(learners(), events[:150])
    states = {name: fold.state() for name, fold in folds.items()}
    before = {name: written(state)[0] for name, state in states.items()}
    arrays = {name: [one.tobytes() for one in written(state)[1].values()] for name, state in states.items()}
    learn(folds, events[150:])
    assert {name: written(state)[0] for name, state in states.items()} == before
    assert {name: [one.tobytes() for one in written(state)[1].values()] for name, state in states.items()} == arrays
