"""A field's expectations against every chain there is, and against differences."""

import itertools

import numpy as np
from scipy import sparse
from scipy.special import logsumexp

from segue.understand import tagger
from segue.understand.chains import expectations, packed


def test_expectations_are_those_of_every_chain() -> None:
    random = np.random.default_rng(0)
    lengths, tags = np.array([2, 4, 0, 3]), 3
    scores, start, pairs = random.normal(size=(9, tags)), random.normal(size=tags), random.normal(size=(tags, tags))
    packing = packed(lengths)
    found = expectations(scores[packing.order], np.exp(start), np.exp(pairs), packing)
    total, expected, followed = 0.0, np.zeros((9, tags)), np.zeros((tags, tags))
    for first, length in zip((0, 2, 6, 6), lengths.tolist(), strict=True):
        if not length:
            continue
        chains = list(itertools.product(range(tags), repeat=length))
        values = [
            start[chain[0]]
            + sum(scores[first + word, tag] for word, tag in enumerate(chain))
            + sum(pairs[one, other] for one, other in itertools.pairwise(chain))
            for chain in chains
        ]
        log_total = logsumexp(values)
        total += float(log_total)
        for chain, value in zip(chains, values, strict=True):
            chance = np.exp(value - log_total)
            for word, tag in enumerate(chain):
                expected[first + word, tag] += chance
            for one, other in itertools.pairwise(chain):
                followed[one, other] += chance
    np.testing.assert_allclose(found.log_total, total)
    np.testing.assert_allclose(found.tags, expected[packing.order])
    np.testing.assert_allclose(found.pairs, followed)


def test_a_field_learns_what_follows_what() -> None:
    names = tagger.tag_names(["time"])
    words = sparse.csr_array(np.eye(3)[[0, 1, 2, 0, 1, 2, 0]])
    tagged, lengths = np.array([0, 1, 2, 0, 1, 2, 0]), np.array([3, 4])
    field = tagger.fit(words, np.zeros((7, 0)), tagged, lengths, names, ridge=0.1, dense_ridge=0.1, steps=50)
    assert field.words.argmax(axis=1).tolist() == [0, 1, 2]
    assert field.pairs[0].argmax() == 1
    assert field.dense.shape == (0, 3)


def test_no_inside_without_a_beginning() -> None:
    start, pairs = tagger.allowed(tagger.tag_names(["a", "b"]))
    assert start.tolist() == [1, 1, 0, 1, 0]
    assert pairs[0].tolist() == [1, 1, 0, 1, 0]
    assert pairs[1].tolist() == pairs[2].tolist() == [1, 1, 1, 1, 0]
