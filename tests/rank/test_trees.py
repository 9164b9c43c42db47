"""Trees as tables against LightGBM's own predictions and TreeSHAP, and texts that must be refused."""

from typing import Any

import lightgbm
import numpy as np
import pytest

from segue.errors import Corrupt
from segue.rank.trees import Trees

FEATURES, PARTS = 7, 3
PART_OF = np.array([0, 0, 1, 2, 1, 0, 2])


def trained(*, leaves: int, seed: int = 0, trees: int = 20, splits: bool = True) -> Any:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(600, FEATURES)).round(1)
    target = rows[:, 0] * (rows[:, 2] > 0) + 0.5 * rows[:, 4] - (rows[:, 6] > 1) + 0.2 * random.normal(size=600)
    settings = {
        "objective": "regression",
        "num_leaves": leaves,
        "min_data_in_leaf": 5 if splits else 600,
        "verbose": -1,
        "num_threads": 1,
        "deterministic": True,
        "seed": seed,
    }
    return lightgbm.train(settings, lightgbm.Dataset(rows, target), trees)


@pytest.fixture(scope="module")
def asked() -> np.ndarray:
    """Rows with many that lie on a threshold's either side, and far outside of what was trained on."""
    random = np.random.default_rng(9)
    return np.concatenate(
        [random.normal(size=(300, FEATURES)).round(1), random.normal(size=(20, FEATURES)) * 50]
    ).astype(np.float32)


@pytest.mark.parametrize("leaves", [2, 3, 6, 9])
def test_as_lightgbm_predicts_and_explains(leaves: int, asked: np.ndarray) -> None:
    booster = trained(leaves=leaves)
    trees = Trees.read(booster.model_to_string())
    np.testing.assert_allclose(trees.predict(asked), booster.predict(asked), rtol=0, atol=1e-12)
    explained = booster.predict(asked, pred_contrib=True)
    belongs = np.eye(PARTS + 1)[np.append(PART_OF, PARTS)]
    np.testing.assert_allclose(trees.contributions(asked, PART_OF, PARTS), explained @ belongs, rtol=0, atol=1e-9)
    np.testing.assert_allclose(trees.gains, booster.feature_importance("gain"), rtol=1e-4)


def test_a_table_longer_than_what_is_looked_up_at_a_time(asked: np.ndarray) -> None:
    trees = Trees.read(trained(leaves=4).model_to_string())
    many = np.tile(asked, (30, 1))
    np.testing.assert_array_equal(trees.predict(many), np.tile(trees.predict(asked), 30))


def test_no_rows_and_trees_that_never_split(asked: np.ndarray) -> None:
    trees = Trees.read(trained(leaves=6).model_to_string())
    assert trees.predict(asked[:0]).shape == (0,)
    assert trees.contributions(asked[:0], PART_OF, PARTS).shape == (0, PARTS + 1)
    booster = trained(leaves=6, splits=False, trees=3)
    stumps = Trees.read(booster.model_to_string())
    np.testing.assert_allclose(stumps.predict(asked), booster.predict(asked), atol=1e-12)
    np.testing.assert_allclose(
        stumps.contributions(asked, PART_OF, PARTS).sum(axis=1), booster.predict(asked), atol=1e-12
    )


def _cut(model: str) -> str:
    return model[: model.index("end of trees") - 1]


def _without(name: str) -> Any:
    return lambda model: model.replace(f"\n{name}=", "\nother=", 1)


def _replaced(name: str, value: str) -> Any:
    def change(model: str) -> str:
        start = model.index(f"\n{name}=") + len(name) + 2
        return model[:start] + value + model[model.index("\n", start) :]

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda model: "",
        lambda model: "no trees at all",
        _cut,
        _without("feature_names"),
        _without("leaf_value"),
        _without("threshold"),
        _replaced("threshold", "1 two 3 4 5"),
        _replaced("threshold", "1 2"),
        _replaced("leaf_value", "1 2 3 4 5 nan"),
        _replaced("split_feature", "0 1 2 3 99"),
        _replaced("left_child", "1 1 1 1 1"),
        _replaced("decision_type", "2 1 2 2 2"),
        _replaced("decision_type", "2 8 2 2 2"),
        _replaced("internal_count", "0 0 0 0 0"),
    ],
)
def test_damaged_texts_are_refused(damage: Any) -> None:
    with pytest.raises(Corrupt, match="trees"):
        Trees.read(damage(trained(leaves=6, trees=2).model_to_string()))


def test_larger_trees_than_ours_are_refused() -> None:
    with pytest.raises(Corrupt, match="more than 8"):
        Trees.read(trained(leaves=20).model_to_string())
