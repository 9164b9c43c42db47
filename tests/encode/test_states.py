"""The encoder that also says what it knows of every piece."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segue.encode.pretrained import TorchEncoder
from segue.encode.quantised import OnnxEncoder
from segue.encode.states import StatesEncoder
from segue.errors import InvalidInput, NotFound

TEXTS = ["mary poppins", "", "naïve café 🎬", "play the birds", "x" * 3000, "\0"]


def test_vectors_are_those_of_the_encoder_that_serves(states_encoder: StatesEncoder, encoder: OnnxEncoder) -> None:
    found = np.stack([one.vector for one in states_encoder.encode(TEXTS)])
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=2e-6)


def test_states_are_close_to_those_of_the_transformer(states_encoder: StatesEncoder, reference: TorchEncoder) -> None:
    (found,) = states_encoder.encode(["play mary poppins"])
    ids = torch.tensor(reference.tokenizer.tokenize(["play mary poppins"]))
    with torch.inference_mode():
        states = reference.transformer.states(ids)
    expected = states[3][0, 1:-1].numpy()
    cosine = (found.states * expected).sum(axis=1)
    cosine /= np.linalg.norm(found.states, axis=1) * np.linalg.norm(expected, axis=1)
    assert len(states) == 7
    assert cosine.min() > 0.99


def test_spans_say_where_pieces_stand(states_encoder: StatesEncoder) -> None:
    (found,) = states_encoder.encode(["play mary poppins"])
    assert found.spans.tolist() == [[0, 4], [5, 9], [10, 13], [13, 17]]
    assert found.states.shape == (4, states_encoder.dimensions)


def test_a_batch_equals_one_by_one(states_encoder: StatesEncoder) -> None:
    for together, text in zip(states_encoder.encode(TEXTS), TEXTS, strict=True):
        (alone,) = states_encoder.encode([text])
        np.testing.assert_allclose(together.states, alone.states, atol=1e-5)
        assert together.spans.tolist() == alone.spans.tolist()


def test_what_cannot_be_opened(int8_folder: Path, tmp_path: Path, states_encoder: StatesEncoder) -> None:
    with pytest.raises(NotFound):
        StatesEncoder.open(tmp_path)
    with pytest.raises(InvalidInput, match="kind"):
        StatesEncoder.open(int8_folder)
    with pytest.raises(InvalidInput):
        states_encoder.encode("one text")
    assert states_encoder.encode([]) == []
