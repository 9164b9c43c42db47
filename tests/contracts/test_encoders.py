"""The contract of an encoder, over every encoder there is: one that trains, one that serves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.encode.encoder import Encoder
from segue.encode.pretrained import TorchEncoder
from segue.encode.quantised import OnnxEncoder
from segue.errors import InvalidInput

TEXTS = [
    "mary poppins",
    "",
    " ",
    "naïve café",
    "メリー・ポピンズ",
    "🎬" * 30,
    "a",
    "night " * 60,
    "MARY POPPINS",
    "\0",
    "x" * 150,
    "line\nbreak\ttab",
]


@pytest.fixture(params=["torch", "int8"])
def member(request: pytest.FixtureRequest, reference: TorchEncoder, encoder: OnnxEncoder) -> Encoder:
    members: dict[str, Encoder] = {"torch": reference, "int8": encoder}
    return members[request.param]


def test_rows_are_unit_vectors(member: Encoder) -> None:
    vectors = member.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), member.dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_text_gives_no_row(member: Encoder) -> None:
    vectors = member.encode([])
    assert vectors.shape == (0, member.dimensions)
    assert vectors.dtype == np.float32


def test_a_batch_equals_one_by_one_in_any_order(member: Encoder) -> None:
    some = TEXTS[:7]
    batch = member.encode(some)
    np.testing.assert_allclose(batch, np.concatenate([member.encode([text]) for text in some]), atol=1e-6)
    np.testing.assert_allclose(batch[::-1], member.encode(some[::-1]), atol=1e-6)


def test_the_same_text_gives_the_same_vector(member: Encoder) -> None:
    some = TEXTS[:4]
    first = member.encode(some)
    assert (first == member.encode(some)).all()
    assert some == TEXTS[:4]
    assert member.fingerprint == member.fingerprint
    assert member.fingerprint


def test_capitals_are_not_told_apart(member: Encoder) -> None:
    """The tokeniser's vocabulary is lower case."""
    np.testing.assert_allclose(member.encode(["mary poppins"]), member.encode(["MARY Poppins"]), atol=1e-6)


def test_what_means_the_same_is_near(member: Encoder) -> None:
    asked, near, far = member.encode(["a film about a magical nanny", "Mary Poppins", "how to fix a bicycle chain"])
    assert asked @ near > asked @ far + 0.1


@pytest.mark.parametrize("wrong", ["mary poppins", [None], [1], [b"bytes"], [["nested"]], ["\ud800"]])
def test_what_is_no_text_is_refused(member: Encoder, wrong: list[str]) -> None:
    with pytest.raises(InvalidInput):
        member.encode(wrong)


def test_a_text_longer_than_the_model_reads_is_cut(member: Encoder) -> None:
    long = "night " * 300
    one, other = member.encode([long, long + "and a very different ending"])
    np.testing.assert_allclose(one, other, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=6))
def test_any_texts_can_be_served(encoder: OnnxEncoder, texts: list[str]) -> None:
    vectors = encoder.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], encoder.encode(texts[:1])[0], atol=1e-6)
