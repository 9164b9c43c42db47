"""Our transformer against the library's own, on the same weights and on small random ones."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from segue.encode.attention import Attention
from segue.encode.positions.effects import Effects
from segue.encode.positions.learned import LearnedPositions
from segue.encode.pretrained import TorchEncoder, minilm_folder
from segue.encode.transformer import Shape, Transformer, pool
from segue.errors import InvalidInput

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the two libraries warn of at import is not ours
    from sentence_transformers import SentenceTransformer
    from transformers import BertModel

TINY = Shape(vocabulary=50, width=8, blocks=2, heads=2, inner=16)


@pytest.fixture(scope="module")
def folder() -> str:
    return str(minilm_folder())


@pytest.fixture(scope="module")
def bert(folder: str) -> Any:
    model: Any = BertModel.from_pretrained(folder, add_pooling_layer=False, local_files_only=True)
    return model.eval()


def test_as_many_parameters_as_the_library(reference: TorchEncoder, bert: Any) -> None:
    ours = sum(p.numel() for p in reference.transformer.parameters())
    assert ours == sum(p.numel() for p in bert.parameters()) == 22_565_376


@pytest.mark.parametrize("typed", [False, True])
def test_as_the_library_computes_it(reference: TorchEncoder, bert: Any, texts: list[str], typed: bool) -> None:
    tokens = reference.tokenizer.batch([*texts[::40], "word " * 400])
    ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
    types = (torch.arange(ids.shape[1]) % 2).expand_as(ids) if typed else None
    with torch.inference_mode():
        ours = reference.transformer(ids, mask, types)
        theirs = bert(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
    assert ((ours - theirs).abs() * mask[:, :, None]).max() < 1e-5


def test_as_sentence_transformers_embeds(reference: TorchEncoder, folder: str, texts: list[str]) -> None:
    chosen = [*texts[::10], "", "word " * 400]
    theirs = SentenceTransformer(folder, device="cpu", local_files_only=True).encode(chosen, normalize_embeddings=True)
    assert (reference.encode(chosen) * np.asarray(theirs)).sum(axis=1).min() > 0.99999


def test_padding_changes_nothing(reference: TorchEncoder) -> None:
    tokens = reference.tokenizer.batch(["mary poppins", "a rather longer text than the first one"])
    ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
    with torch.inference_mode():
        padded = pool(reference.transformer(ids, mask), mask)
    np.testing.assert_allclose(padded[:1].numpy(), reference.encode(["mary poppins"]), atol=1e-6)


def test_attention_is_a_softmax_over_scaled_products() -> None:
    torch.manual_seed(0)
    attention = Attention(6, 2)
    vectors = torch.randn(1, 5, 6)
    queries, keys, values = attention.project(vectors)[0].chunk(3, dim=1)
    heads = []
    for head in (slice(0, 3), slice(3, 6)):
        weights = torch.softmax(queries[:, head] @ keys[:, head].T / math.sqrt(3), dim=1)
        heads.append(weights @ values[:, head])
    expected = attention.merge(torch.cat(heads, dim=1))
    assert torch.allclose(attention(vectors, None, Effects(), 0)[0], expected, atol=1e-6)


def test_a_text_longer_than_the_table_is_refused() -> None:
    transformer = Transformer(TINY, LearnedPositions(4, TINY.width))
    assert transformer(torch.ones(1, 4, dtype=torch.int64)).shape == (1, 4, 8)
    with pytest.raises(InvalidInput, match="5 tokens"):
        transformer(torch.ones(1, 5, dtype=torch.int64))


def test_every_parameter_learns() -> None:
    transformer = Transformer(TINY, LearnedPositions(4, TINY.width))
    transformer(torch.tensor([[1, 2, 3, 4]]))[0, 0, 0].backward()
    assert all(parameter.grad is not None for parameter in transformer.parameters())
