"""Places on a page, against Sainte-Laguë's method of largest quotients, one place at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.rank import share_page


def one_by_one(confidence: list[float], scores: list[list[float]], limit: int) -> list[tuple[int, int]]:
    """The next place goes to the domain with the highest quotient; of equal ones to the first."""
    dealt: list[tuple[int, int]] = []
    given_to = [0] * len(scores)
    while len(dealt) < min(limit, sum(map(len, scores))):
        bids = []
        for domain, own in enumerate(scores):
            if given_to[domain] < len(own):
                share = math.sqrt(confidence[domain]) * own[given_to[domain]] / (own[0] or 1)
                bids.append((-share / (2 * given_to[domain] + 1), domain))
        _, domain = min(bids)
        dealt.append((domain, given_to[domain]))
        given_to[domain] += 1
    return dealt


DOMAINS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.lists(st.floats(0.125, 50, width=32), max_size=12).map(lambda values: sorted(values, reverse=True)),
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(domains=DOMAINS, limit=st.integers(1, 30))
def test_a_page_is_dealt_by_largest_quotients(domains: list[tuple[float, list[float]]], limit: int) -> None:
    confidence, scores = [share for share, _ in domains], [own for _, own in domains]
    page = share_page(confidence, [np.array(own, np.float32) for own in scores], limit)
    as_float32 = [[float(np.float32(score)) for score in own] for own in scores]
    expected = one_by_one(confidence, as_float32, limit)
    assert page.shape == (len(expected), 3)
    assert [(int(domain), int(place)) for domain, place, _ in page] == expected
    assert (np.diff(page[:, 2]) <= 0).all()


@settings(max_examples=80, deadline=None)
@given(domains=DOMAINS, limit=st.integers(1, 30))
def test_a_domain_keeps_its_own_order(domains: list[tuple[float, list[float]]], limit: int) -> None:
    page = share_page([share for share, _ in domains], [np.array(own, np.float32) for _, own in domains], limit)
    for domain, (_, own) in enumerate(domains):
        places = page[page[:, 0] == domain, 1].tolist()
        assert places == list(range(len(places)))
        assert len(places) <= len(own)


def test_a_lone_domain_gets_the_page_and_an_empty_one_nothing() -> None:
    flat = np.ones(5, np.float32)
    assert share_page([1.0], [flat], 3)[:, 1].tolist() == [0, 1, 2]
    assert share_page([0.1, 0.9], [flat, np.zeros(0, np.float32)], 3)[:, 0].tolist() == [0, 0, 0]
    assert share_page([], [], 3).shape == (0, 3)
    assert share_page([0.0, 0.0], [flat, flat], 4).shape == (4, 3)
    assert share_page([1.0], [np.zeros(3, np.float32)], 3)[:, 1].tolist() == [0, 1, 2]


def test_shares_follow_the_root_of_confidence_when_scores_are_flat() -> None:
    flat = np.ones(100, np.float32)
    page = share_page([0.64, 0.16, 0.04], [flat] * 3, 70)
    assert np.bincount(page[:, 0].astype(int)) == pytest.approx([40, 20, 10], abs=1)
    certain = share_page([1.0, 0.0], [flat] * 2, 70)
    assert set(certain[:, 0].tolist()) == {0.0}


def test_poor_results_do_not_fill_a_page() -> None:
    good, poor = np.ones(10, np.float32), np.array([1.0] + [0.01] * 9, np.float32)
    page = share_page([0.6, 0.4], [poor, good], 6)
    assert np.bincount(page[:, 0].astype(int)).tolist() == [1, 5]
