"""Vowpal Wabbit as a policy, and the policies that benchmarks compare."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from benchmarks.baselines import EXPLORATIONS, VowpalWabbit, configurations, policies
from segue.encode.quantised import OnnxEncoder
from segue.events import Event
from segue.records import Candidates, Request
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.memory import Memory
from segue.retrieve.pages import LearningPolicy
from segue.retrieve.query import Query
from segue.retrieve.select import Policy
from segue.store import ACTIONS

NAMES = ("text", "dense", "structured")


@pytest.fixture(scope="module")
def catalogue(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("films", tmp_path_factory.mktemp("baselines"), encoder)
    opened.index(from_mappings([{"id": str(place), "title": f"mary {place}"} for place in range(40)]), fingerprint="1")
    yield opened.snapshot
    opened.close()


def asked(text: str) -> Query:
    return Query(Request("", text), text, lambda texts: np.zeros((len(texts), 384), np.float32))


def listed(catalogue: Snapshot, name: str, places: Sequence[int]) -> Candidates:
    return Candidates(name, catalogue.numbers[list(places)], np.linspace(2, 1, len(places)).astype(np.float32))


@pytest.fixture
def found(catalogue: Snapshot) -> list[Candidates]:
    return [listed(catalogue, name, range(start, start + 12)) for name, start in zip(NAMES, (0, 12, 24), strict=True)]


@pytest.mark.parametrize("name", policies())
def test_every_policy_can_be_made_and_used(name: str, catalogue: Snapshot, found: list[Candidates]) -> None:
    policy: Policy = policies()[name](NAMES, Memory(ACTIONS))
    assert policy.choose(asked("mary"), catalogue, NAMES, 10)
    spent = policy.spend(asked("mary"), catalogue, found, 10)
    assert len(spent.kept) == 10
    np.testing.assert_allclose(spent.contributions.sum(axis=1), spent.totals, atol=1e-9)
    assert isinstance(policy, LearningPolicy) is (name != "static fusion")
    assert policy.describe()


def test_configurations_put_one_strategy_first(catalogue: Snapshot, found: list[Candidates]) -> None:
    for one in found:
        kept = configurations(NAMES)[f"{one.strategy} first"].merge(found, 10).kept
        if one.strategy != "structured":  # which counts by how sure it is
            assert kept.numbers.tolist() == one.numbers[:10].tolist()
    assert 10 <= len(configurations(["memory", "text", "title", "sparse", "dense", "structured", "grams"])) <= 20


@pytest.mark.parametrize("exploration", EXPLORATIONS.values())
def test_vowpal_wabbit_learns_which_configuration_is_clicked(
    exploration: str, catalogue: Snapshot, found: list[Candidates]
) -> None:
    """Requests with a number want what dense finds, the others what text finds: after 2,000 clicks most get that first."""
    policy = VowpalWabbit(NAMES, Memory(ACTIONS), ACTIONS, exploration=exploration)
    ids = catalogue.ids_of(catalogue.numbers.tolist())
    right = []
    for step in range(2000):
        number = step % 2 == 1
        query = asked(f"mary {step}" if number else f"mary {'abcdefghij'[step % 10]}")
        spent = policy.spend(query, catalogue, found, 10)
        assert 0 < spent.learning["probability"] <= 1
        wanted = found[1 if number else 0].numbers[0]
        place = np.flatnonzero(spent.kept.numbers == wanted)
        right.append(len(place) > 0 and place[0] == 0)
        shown = [ids[one] for one in spent.kept.numbers.tolist()]
        body = {
            "results": [{"domain": "films", "id": id} for id in shown],
            "shown": [[query.text, "films", shown]],
            "learning": {"films": {**spent.learning, "shown": list(range(len(shown)))}},
        }
        policy.learn(Event(f"a{step}", "answer", 0.0, body))
        if len(place):
            told = {"answer": f"a{step}", "domain": "films", "item": ids[int(wanted)], "action": "click"}
            policy.learn(Event(f"f{step}", "feedback", 0.0, told))
    assert np.mean(right[:200]) < 0.5
    assert np.mean(right[-300:]) > 0.6
