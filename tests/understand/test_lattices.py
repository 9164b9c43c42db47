"""Exact taggings against every tagging there is."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from segue.understand.lattices import Chain, Lattices

Floats = NDArray[np.float64]


def _chain(random: np.random.Generator, tags: int, forbidden: float = 0.25) -> Chain:
    pairs, start = random.normal(size=(tags, tags)), random.normal(size=tags)
    pairs[random.random((tags, tags)) < forbidden] = -np.inf
    np.fill_diagonal(pairs, 0.0)
    start[1:][random.random(tags - 1) < forbidden] = -np.inf
    return Chain(start, pairs)


def _every_tagging(chain: Chain, scores: Floats) -> list[tuple[float, tuple[int, ...]]]:
    """Score and tags of all taggings, best first; `scores` [w, l]."""
    found = []
    for tags in itertools.product(range(len(chain.start)), repeat=len(scores)):
        score = chain.start[tags[0]] + sum(scores[word, tag] for word, tag in enumerate(tags))
        score += sum(chain.pairs[one, other] for one, other in itertools.pairwise(tags))
        found.append((float(score), tags))
    return sorted(found, key=lambda one: -one[0])


@pytest.mark.parametrize("words", [1, 2, 5])
@pytest.mark.parametrize("k", [1, 4, 9])
def test_the_best_taggings_are_those_of_all(words: int, k: int) -> None:
    random = np.random.default_rng(words * 10 + k)
    chains = [_chain(random, tags) for tags in (3, 1, 5)]
    scores = random.normal(size=(2, words, 9)) * 2
    found = Lattices(chains).best(scores, k)
    for request, (domain, first) in itertools.product(range(2), enumerate((0, 3, 4))):
        chain = chains[domain]
        every = _every_tagging(chain, scores[request, :, first : first + len(chain.start)])
        total = logsumexp([score for score, _ in every])
        for rank in range(k):
            if rank >= len(every) or np.isneginf(every[rank][0]):
                assert np.isneginf(found.logs[request, domain, rank])
            else:
                np.testing.assert_allclose(found.logs[request, domain, rank], every[rank][0] - total, atol=1e-9)
                assert tuple(found.tags[request, domain, rank].tolist()) == every[rank][1]


def test_all_taggings_together_have_probability_one() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=(1, 3, 3))
    found = Lattices([_chain(random, 3)]).best(scores, 27)
    np.testing.assert_allclose(np.exp(found.logs).sum(), 1)


def test_the_sum_over_all_taggings_holds_for_long_texts_and_large_scores() -> None:
    random = np.random.default_rng(2)
    chain = Chain(np.zeros(2), np.zeros((2, 2)))
    scores = random.normal(size=(1, 500, 2)) * 300
    np.testing.assert_allclose(Lattices([chain]).log_total(scores)[0, 0], logsumexp(scores[0], axis=1).sum())


def test_a_text_without_words_has_one_tagging() -> None:
    found = Lattices([_chain(np.random.default_rng(0), 3)]).best(np.zeros((2, 0, 3)), 2)
    assert found.logs.tolist() == [[[0.0, -np.inf]]] * 2
    assert found.tags.shape == (2, 1, 2, 0)


def test_a_domain_does_not_depend_on_the_others_to_the_last_bit() -> None:
    random = np.random.default_rng(3)
    chains = [_chain(random, tags) for tags in (7, 3, 21, 11)]
    scores = random.normal(size=(3, 6, 42)) * 2
    every = Lattices(chains).best(scores, 6)
    for domain, first in enumerate((0, 7, 10, 31)):
        own = np.ascontiguousarray(scores[:, :, first : first + len(chains[domain].start)])
        alone = Lattices([chains[domain]]).best(own, 6)
        assert alone.logs[:, 0].tobytes() == every.logs[:, domain].tobytes()
        assert alone.tags[:, 0].tobytes() == every.tags[:, domain].tobytes()
