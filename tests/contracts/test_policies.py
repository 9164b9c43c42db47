"""The contract of a selection policy, over every policy there is."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.quantised import OnnxEncoder
from segue.errors import InvalidInput
from segue.records import Candidates, Request
from segue.retrieve.catalogue import Catalogue, Snapshot
from segue.retrieve.catalogue.tables import from_mappings
from segue.retrieve.memory import Memory
from segue.retrieve.query import Query
from segue.retrieve.select import WEIGHTS, Policy, ReciprocalRankFusion
from segue.retrieve.strategies import family

POLICIES: dict[str, Policy] = {
    "default": ReciprocalRankFusion(),
    "paper": ReciprocalRankFusion(weights={}, constant=60.0),
    "shallow": ReciprocalRankFusion(depth=1),
    "constant 0": ReciprocalRankFusion(constant=0.0),
    "some": ReciprocalRankFusion(weights={**WEIGHTS, "grams": 0.0, "popular": 0.0}),
}
NAMES = list(family(Memory({})))


@pytest.fixture(scope="module")
def catalogue(encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    opened = Catalogue("films", tmp_path_factory.mktemp("policies"), encoder)
    opened.index(from_mappings([{"id": "1", "title": "Mary Poppins"}]), fingerprint="1")
    yield opened.snapshot
    opened.close()


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest) -> Policy:
    return POLICIES[request.param]


@pytest.mark.parametrize("budget", [1, 10, 100])
def test_what_is_chosen(policy: Policy, catalogue: Snapshot, encoder: OnnxEncoder, budget: int) -> None:
    query = Query(Request("", "mary"), "mary", encoder.encode)
    chosen = policy.choose(query, catalogue, NAMES, budget)
    assert chosen == policy.choose(query, catalogue, NAMES, budget)
    assert len({one.strategy for one in chosen}) == len(chosen) > 0
    for one in chosen:
        assert one.strategy in NAMES
        assert one.domain == "films"
        assert one.k >= budget
        assert 0 < one.propensity <= 1
    assert policy.choose(query, catalogue, [], budget) == ()


def test_a_strategy_of_weight_0_is_not_asked(catalogue: Snapshot, encoder: OnnxEncoder) -> None:
    query = Query(Request("", "mary"), "mary", encoder.encode)
    asked = {one.strategy for one in POLICIES["some"].choose(query, catalogue, NAMES, 10)}
    assert asked == set(NAMES) - {"grams", "popular"}


@st.composite
def lists(draw: st.DrawFn) -> list[Candidates]:
    found = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        numbers = draw(st.lists(st.integers(1, 40), unique=True, max_size=15))
        scores = sorted(draw(st.lists(st.floats(0, 1, width=32), min_size=len(numbers), max_size=len(numbers))))
        found.append(Candidates(name, np.array(numbers, np.int64), np.array(scores[::-1], np.float32)))
    return found


@settings(max_examples=60, deadline=None)
@given(found=lists(), budget=st.integers(1, 50))
@pytest.mark.parametrize("name", POLICIES)
def test_what_is_kept(name: str, found: Sequence[Candidates], budget: int) -> None:
    policy, given_before = POLICIES[name], deepcopy(found)
    kept = policy.spend(found, budget)
    union = {number for one in found for number in one.numbers.tolist()}
    assert len(kept) == min(budget, len(union))
    assert len(set(kept.numbers.tolist())) == len(kept)
    assert set(kept.numbers.tolist()) <= union
    assert kept.numbers.dtype == np.int64
    assert kept.scores.dtype == np.float32
    assert (np.diff(kept.scores) <= 0).all()
    again = policy.spend(found, budget)
    assert again.numbers.tolist() == kept.numbers.tolist()
    deeper = policy.spend(found, budget + 5)
    assert deeper.numbers[:budget].tolist() == kept.numbers.tolist()
    for before, after in zip(given_before, found, strict=True):
        assert before.numbers.tolist() == after.numbers.tolist()
        assert before.scores.tolist() == after.scores.tolist()


@pytest.mark.parametrize("wrong", [{"constant": -1.0}, {"depth": 0}, {"weights": {"text": -1.0}}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="from 0 up"):
        ReciprocalRankFusion(**wrong)
