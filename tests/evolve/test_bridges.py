"""Bridges against closed forms and against leaving rows out one by one."""

import numpy as np
import pytest

from segue.errors import InvalidInput
from segue.evolve.bridges import Fusion, LinearMap, Vectors, procrustes, ridge, unit


def drawn(rows: int, width: int, seed: int = 0) -> Vectors:
    return unit(np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32))


def test_a_rotation_is_found_again() -> None:
    source = drawn(50, 6)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0].astype(np.float32)
    found = procrustes(source, source @ rotation)
    np.testing.assert_allclose(found.matrix, rotation, atol=1e-5)
    np.testing.assert_allclose(found(source), source @ rotation, atol=1e-5)


@pytest.mark.parametrize(("width", "to"), [(4, 7), (7, 4)])
def test_no_other_rotation_is_nearer(width: int, to: int) -> None:
    source, target = drawn(40, width), drawn(40, to, seed=1)
    found = procrustes(source, target).matrix.astype(np.float64)
    small = found if width <= to else found.T
    np.testing.assert_allclose(small @ small.T, np.eye(len(small)), atol=1e-5)
    overlap = float((source @ found * target).sum())
    random = np.random.default_rng(2)
    for _ in range(200):
        other = np.linalg.qr(random.normal(size=(max(width, to), min(width, to))))[0]
        other = other.T if width <= to else other
        assert float((source @ other * target).sum()) <= overlap + 1e-6


def test_ridge_has_the_penalty_whose_rows_are_predicted_best_when_left_out() -> None:
    random = np.random.default_rng(3)
    source, target = drawn(25, 5), drawn(25, 3, seed=4)
    target = unit(target + source @ random.normal(size=(5, 3)).astype(np.float32))
    errors = {}
    for penalty in (0.01, 0.3, 10.0):
        missed = []
        for row in range(25):
            rest = np.arange(25) != row
            kept = source[rest].astype(np.float64)
            weights = np.linalg.solve(kept.T @ kept + penalty * np.eye(5), kept.T @ target[rest])
            missed.append(((source[row] @ weights - target[row]) ** 2).mean())
        errors[penalty] = np.mean(missed)
    best = min(errors, key=lambda one: errors[one])
    whole = source.astype(np.float64)
    weights = np.linalg.solve(whole.T @ whole + best * np.eye(5), whole.T @ target)
    np.testing.assert_allclose(ridge(source, target, penalties=(0.01, 0.3, 10.0)).matrix, weights, atol=1e-4)


def test_fusion_is_one_product() -> None:
    old_queries, new_queries, stored = drawn(3, 4), drawn(3, 6, seed=1), drawn(5, 4, seed=2)
    forward = LinearMap(np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32))
    fusion = Fusion(0.3)
    found = fusion.queries(old_queries, new_queries) @ fusion.gallery(stored, forward(stored)).T
    for query in range(3):
        for item in range(5):
            mapped = stored[item] @ forward.matrix
            new = new_queries[query] @ mapped / np.linalg.norm(mapped)
            assert found[query, item] == pytest.approx(0.7 * old_queries[query] @ stored[item] + 0.3 * new, abs=1e-6)
    alone = Fusion(0).queries(old_queries, new_queries) @ Fusion(0).gallery(stored, forward(stored)).T
    np.testing.assert_allclose(alone, old_queries @ stored.T, atol=1e-6)


def test_real_vectors_may_count_more_than_mapped_ones() -> None:
    old_queries, new_queries, stored, new = drawn(3, 4), drawn(3, 6, seed=1), drawn(5, 4, seed=2), drawn(5, 6, seed=3)
    real = np.array([True, False, False, True, False])
    fusion = Fusion(0.2, 0.9)
    found = fusion.queries(old_queries, new_queries) @ fusion.gallery(stored, new, real).T
    for item in range(5):
        weight = 0.9 if real[item] else 0.2
        wanted = (1 - weight) * old_queries @ stored[item] + weight * new_queries @ new[item]
        np.testing.assert_allclose(found[:, item], wanted, atol=1e-6)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(InvalidInput, match="shapes"):
        procrustes(drawn(3, 4), drawn(2, 4))
    with pytest.raises(InvalidInput, match="shapes"):
        ridge(drawn(3, 4)[:0], drawn(3, 4)[:0])
    with pytest.raises(InvalidInput, match="not finite"):
        ridge(np.full((2, 3), np.nan, dtype=np.float32), drawn(2, 3))
    with pytest.raises(InvalidInput, match="penalties"):
        ridge(drawn(3, 4), drawn(3, 4), penalties=())
    with pytest.raises(InvalidInput, match="weight"):
        Fusion(1.5)
    with pytest.raises(InvalidInput, match="weight"):
        Fusion(0.5, -0.1)
    with pytest.raises(InvalidInput, match=r"\[n, 2\]"):
        LinearMap(drawn(2, 2))(drawn(3, 4))
    assert unit(np.zeros((1, 3), dtype=np.float32)).tolist() == [[0, 0, 0]]
