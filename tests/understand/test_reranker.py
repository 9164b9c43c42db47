"""A domain's re-ranker: weights that are known are found again, nothing leaves a domain, and what cannot be used is refused."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from benchmarks.made_up import Built, made_up
from segue import artifact
from segue.errors import Corrupt, InvalidInput
from segue.understand.calibration import calibration_floor, expected_calibration_error
from segue.understand.features import ANOTHER, PUBLISHED, FeatureSet, extended, product_logit
from segue.understand.hypotheses import Flags, Floats, Hypotheses, Interpretation, Judged
from segue.understand.merging import merge
from segue.understand.objectives import R1, R2, R3, Objective
from segue.understand.reranker import Reranker, fit, product

DOMAINS = {"films": Built(), "books": Built(sure=2.5, shift=1.5), "songs": Built(sure=0.5, shift=-1)}
TRAINING = made_up(3000, DOMAINS, seed=0)
HELD_OUT = made_up(3000, DOMAINS, seed=1)
PLAY = Interpretation("play")


def table(logs: Floats, *, request: Any = None, local: Floats | None = None) -> Hypotheses:
    local = np.zeros((len(logs), 0)) if local is None else local
    names = tuple(f"local {n}" for n in range(local.shape[1]))
    return Hypotheses(
        "films", np.arange(len(logs)) if request is None else request, [PLAY] * len(logs), logs, local, names
    )


def judged(right: Flags, own: Flags | None = None) -> Judged:
    own = right if own is None else own
    return Judged(own, right, (own & ~right).astype(np.int64), np.zeros(len(right), dtype=np.int64))


def known(
    features: FeatureSet, weights: Floats, count: int, contexts: Sequence[dict[str, str]] = ()
) -> tuple[Hypotheses, Judged]:
    """Requests with one hypothesis each that is right with probability σ(w · φ), and wrong in another part half of the time."""
    random = np.random.default_rng(5)
    made = table(-random.exponential(1.5, (count, 3)), local=random.standard_normal((count, len(features.local))))
    right = random.random(count) < expit(features.raw(made, contexts) @ weights)
    return made, judged(right, right | (random.random(count) < 0.5))


@pytest.mark.parametrize("objective", [R2, R3])
@pytest.mark.parametrize(
    ("features", "weights"),
    [
        (PUBLISHED, [0.5, 2.0, 1.0, 1.5]),
        (FeatureSet(logit=True, local=("local 0", "local 1")), [0.4, 0.2, 0.0, -0.5, 0.7, 1.0, -0.5]),
    ],
)
def test_weights_that_are_known_are_found_again(
    objective: Objective, features: FeatureSet, weights: list[float]
) -> None:
    made, right = known(features, np.array(weights), 40_000)
    fitted = fit(made, right, features=features, objective=objective)
    probabilities = expit(features.raw(made) @ np.array(weights))
    assert np.abs(fitted.confidences(made) - probabilities).mean() < 0.01
    if not features.logit:  # the logit and the logs say nearly the same: only their sum is sure
        np.testing.assert_allclose(fitted.weights, weights, atol=0.12)


@pytest.mark.parametrize("objective", [R2, R3])
def test_what_is_fitted_is_calibrated_and_r1_is_not(objective: Objective) -> None:
    for place, (made, right) in enumerate(TRAINING.tables):
        held_out, truth = HELD_OUT.tables[place]
        both = [
            fit(made, right, features=extended(made), objective=one).confidences(held_out) for one in (objective, R1)
        ]
        error, of_r1 = (expected_calibration_error(one, truth.right) for one in both)
        assert error < calibration_floor(both[0], seed=0) + 0.01
        assert of_r1 > 3 * error


def test_the_untrained_one_orders_as_the_product() -> None:
    made, _ = TRAINING.tables[0]
    np.testing.assert_array_equal(product("films").scores(made), np.einsum("nf->n", made.logs))
    as_it_is = product("films", extended(made)).scores(made)
    np.testing.assert_allclose(as_it_is, product_logit(made))


def test_a_block_for_each_context_that_is_frequent() -> None:
    random = np.random.default_rng(0)
    contexts = [{"device": str(one)} for one in random.choice(["phone", "speaker"], 20_000)]
    features = FeatureSet(contexts=(("device", "speaker"),))
    assert features.names[4:] == tuple(f"log P({part}), device = speaker" for part in ("domain", "intent", "slots"))
    weights = np.array([1.0, 1.0, 1.0, 1.0, -0.9, 0.5, 0.0])
    made, right = known(features, weights, 20_000, contexts)
    np.testing.assert_allclose(fit(made, right, features=features, contexts=contexts).weights, weights, atol=0.15)

    contexts[:25] = [{"device": "watch"}] * 25
    contexts[25:30] = [{"device": "oven"}] * 5
    own = np.ones(len(made), dtype=bool)
    values = PUBLISHED.with_contexts(made, own, contexts, ["device"]).contexts
    assert values == (("device", "phone"), ("device", "speaker"), ("device", "watch"))
    assert PUBLISHED.with_contexts(made, own, contexts, ["room"]) == PUBLISHED
    alone = fit(made, right, features=features, contexts=contexts).scores(made, [{}] * len(made))
    unknown = fit(made, right, features=features, contexts=contexts).scores(made, [{"device": "oven"}] * len(made))
    np.testing.assert_array_equal(alone, unknown)
    with pytest.raises(InvalidInput, match="contexts"):
        fit(made, right, features=features, contexts=contexts[:-1])


def test_blocks_of_several_keys_and_of_any_other_value() -> None:
    """Where only others' requests are said has no block of its own, but one that all such values share."""
    contexts = [{"room": "kitchen"}] * 30 + [{"room": f"room {n}", "hour": "7"} for n in range(30)] + [{}] * 5
    made = table(np.log(np.full((65, 3), 0.5)))
    features = replace(PUBLISHED, shift=True).with_contexts(made, np.arange(65) < 30, contexts, ["room", "hour"])
    assert features.contexts == (("room", "kitchen"), ("room", ANOTHER), ("hour", ANOTHER))
    assert features.names[7::4] == ("bias, room = kitchen", "bias, room = another", "bias, hour = another")
    here = features.raw(made, contexts)[[0, 30, 64], 7::4]
    np.testing.assert_array_equal(here, [[1, 0, 0], [0, 1, 1], [0, 0, 0]])


def test_a_context_may_shift_all_scores() -> None:
    random = np.random.default_rng(0)
    contexts = [{"device": str(one)} for one in random.choice(["phone", "speaker"], 20_000)]
    features = FeatureSet(contexts=(("device", "speaker"),), shift=True)
    weights = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, -2.0])
    made, right = known(features, weights, 20_000, contexts)
    fitted = fit(made, right, features=features, contexts=contexts)
    probabilities = expit(features.raw(made, contexts) @ weights)
    assert np.abs(fitted.confidences(made, contexts) - probabilities).mean() < 0.01
    assert features.names[-1] == "bias, device = speaker"


def test_local_features_are_standardised_by_the_domains_own_data() -> None:
    made, right = TRAINING.tables[1]
    moved = replace(made, local=1000 + 50 * made.local)
    first, second = (fit(one, right, features=extended(one)) for one in (made, moved))
    np.testing.assert_allclose(first.scores(made), second.scores(moved), atol=1e-3)
    constant = replace(made, local=np.full_like(made.local, 3.0))
    assert np.isfinite(fit(constant, right, features=extended(constant)).scores(constant)).all()


def test_refitting_one_domain_leaves_the_others_as_they_were() -> None:
    before = [fit(*one) for one in TRAINING.tables]
    after = list(before)
    made, right = TRAINING.tables[1]
    after[1] = fit(made, right, features=extended(made))
    tables = [one for one, _ in HELD_OUT.tables]
    scores = [[one.scores(of).tobytes() for one, of in zip(all_of, tables, strict=True)] for all_of in (before, after)]
    assert [old == new for old, new in zip(*scores, strict=True)] == [True, False, True]
    merged = [
        merge([(of, one.confidences(of)) for one, of in zip(all_of, tables, strict=True)]) for all_of in (before, after)
    ]
    changed = merged[0].domain[merged[0].best()] != merged[1].domain[merged[1].best()]
    assert 0 < changed.mean() < 0.5


def test_the_order_of_requests_does_not_matter() -> None:
    made, right = TRAINING.tables[2]
    size = len(made) // 3000
    turned = np.arange(len(made)).reshape(-1, size)[np.random.default_rng(0).permutation(3000)].ravel()
    other = replace(
        made, meanings=[made.meanings[n] for n in turned.tolist()], logs=made.logs[turned], local=made.local[turned]
    )
    judgement = Judged(right.own[turned], right.right[turned], right.errors[turned], right.slots[turned])
    first, second = fit(made, right), fit(other, judgement)
    np.testing.assert_allclose(first.weights, second.weights, rtol=1e-3, atol=1e-4)


def test_the_same_data_give_the_same_weights_and_stay_as_they_are() -> None:
    made, right = TRAINING.tables[0]
    logs = made.logs.copy()
    assert fit(made, right).weights.tobytes() == fit(made, right).weights.tobytes()
    np.testing.assert_array_equal(made.logs, logs)


def test_a_request_alone_scores_as_in_a_batch() -> None:
    made, right = TRAINING.tables[0]
    fitted = fit(made, right, features=extended(made))
    scores = fitted.scores(made)
    for rows in (slice(0, 1), slice(4, 8), slice(40, 41)):
        one = Hypotheses(
            "films", made.request[rows], made.meanings[rows], made.logs[rows], made.local[rows], made.names
        )
        assert fitted.scores(one).tobytes() == scores[rows].tobytes()
    nothing = Hypotheses("films", made.request[:0], [], made.logs[:0], made.local[:0], made.names)
    assert fitted.confidences(nothing).shape == (0,)


def test_what_is_written_is_opened_again(tmp_path: Path) -> None:
    made, right = TRAINING.tables[0]
    old = fit(made, right, features=extended(made), meta={"fold": 3})
    first = old.write(tmp_path / "old", name="first")
    new = fit(made, right, features=extended(made), objective=R2).matched(old, made)
    second = new.write(tmp_path / "new", name="second", parent=first.hash)
    assert artifact.open(tmp_path / "new", kind="reranker").parent == first.hash
    for one, folder in ((old, first.folder), (new, second.folder)):
        again = Reranker.open(folder)
        assert again.scores(made).tobytes() == one.scores(made).tobytes()
        assert (again.domain, again.features, dict(again.meta)) == (one.domain, one.features, dict(one.meta))
    assert Reranker.open(first.folder).meta["fold"] == 3
    with_contexts = FeatureSet(contexts=(("device", "speaker"),))
    product("films", with_contexts).write(tmp_path / "contexts", name="third")
    assert Reranker.open(tmp_path / "contexts").features == with_contexts


@pytest.mark.parametrize("lacking", ["weights", "features", "shape"])
def test_a_part_that_is_no_reranker_is_refused(lacking: str, tmp_path: Path) -> None:
    tensors = {
        name: np.zeros(3 if lacking == "shape" else 4) for name in ("weights", "mean", "scale") if name != lacking
    }
    features = {"logit": False, "local": [], "contexts": [], "shift": False}
    meta = {"domain": "films", **({} if lacking == "features" else {"features": features})}
    artifact.write(tmp_path / "part", kind="reranker", name="broken", tensors=tensors, meta=meta)
    with pytest.raises(Corrupt, match="fit"):
        Reranker.open(tmp_path / "part")


def test_what_cannot_be_learned_from_is_refused() -> None:
    logs = np.log(np.full((4, 3), 0.5))
    yes, no = np.ones(4, dtype=bool), np.zeros(4, dtype=bool)
    for made, right, message in (
        (table(logs[:0]), judged(yes[:0]), "no hypotheses"),
        (table(logs), judged(no, yes), "No hypothesis of films is right"),
        (table(logs), judged(no, no), "No request was meant for films"),
        (table(logs), judged(yes[:3]), "3 were judged"),
        (table(logs, request=np.array([0, 2, 1, 3])), judged(yes), "order"),
        (table(np.full((4, 3), -np.inf)), judged(yes), "not finite"),
    ):
        with pytest.raises(InvalidInput, match=message):
            fit(made, right)
    fitted = fit(table(logs), judged(yes))  # nothing was ever wrong: sure, but finite
    assert fitted.confidences(table(logs)).min() > 0.5
    assert np.isfinite(fitted.weights).all()
    with pytest.raises(InvalidInput, match="books"):
        fitted.scores(replace(table(logs), domain="books"))
    with pytest.raises(InvalidInput, match="local"):
        product("films", FeatureSet(local=("margin",))).scores(table(logs))
