"""Contract of every encoder: torch and int8."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.encode.encoder import Encoder, by_length
from segue.encode.pretrained import TorchEncoder
from segue.encode.quantised import OnnxEncoder
from segue.errors import InvalidInput


@pytest.fixture(params=["torch", "int8"])
def encoder(request: pytest.FixtureRequest, reference: TorchEncoder, int8_folder: Path) -> Encoder:
    return reference if request.param == "torch" else OnnxEncoder.open(int8_folder)


def test_rows_are_float32_of_unit_length(encoder: Encoder, texts: list[str]) -> None:
    vectors = encoder.encode(texts[:20])
    assert vectors.shape == (20, encoder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_text_gives_no_row(encoder: Encoder) -> None:
    vectors = encoder.encode([])
    assert vectors.shape == (0, encoder.dimensions)
    assert vectors.dtype == np.float32


def test_a_batch_equals_one_by_one(encoder: Encoder, texts: list[str]) -> None:
    mixed = [*texts[::6], "word " * 300, "", *texts[:3]]
    alone = np.concatenate([encoder.encode([text]) for text in mixed])
    np.testing.assert_allclose(encoder.encode(mixed), alone, atol=2e-6)


def test_the_same_text_gives_the_same_vector(encoder: Encoder) -> None:
    np.testing.assert_array_equal(encoder.encode(["mary poppins"]), encoder.encode(["mary poppins"]))


def test_odd_texts_are_texts(encoder: Encoder) -> None:
    vectors = encoder.encode(["", " ", "\0", "🎬", "东京", "a" * 10_000, "word " * 5_000])
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("wrong", ["one text", ["a", None], [b"a"], [3], ["half \ud800"], [["a"]]])
def test_what_is_not_text_is_refused(encoder: Encoder, wrong: Any) -> None:
    with pytest.raises(InvalidInput, match=r"[Tt]ext"):
        encoder.encode(wrong)


def test_the_input_is_not_changed(encoder: Encoder) -> None:
    given = ["b b b", "a"]
    encoder.encode(given)
    assert given == ["b b b", "a"]


@given(st.lists(st.integers(0, 300)), st.integers(1, 8), st.integers(1, 400))
def test_groups_hold_every_text_once_and_one_length(lengths: list[int], texts: int, tokens: int) -> None:
    groups = [group.tolist() for group in by_length(lengths, texts=texts, tokens=tokens)]
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        length = {lengths[i] for i in group}
        assert len(length) == 1
        assert len(group) == 1 or (len(group) <= texts and len(group) * max(length) <= tokens)
