"""A tower on disk: what is opened encodes as the tower that was written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from segue.encode.tokenizer import Tokenizer
from segue.errors import InvalidInput
from segue.evolve.slim.architecture import Architecture
from segue.evolve.slim.query_encoder import QueryEncoder, export, folded, load, to_onnx
from segue.evolve.slim.tower import Tower

WORDS = ("toy", "story", "the", "lion", "king", "movie", "up", "3")


@pytest.fixture
def tokenizer() -> Tokenizer:
    vocabulary = {word: place for place, word in enumerate(("[UNK]", *WORDS))}
    definition: dict[str, object] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    return Tokenizer(json.dumps(definition), longest=8)


def random_tower(architecture: Architecture, vocabulary: int) -> Tower:
    torch.manual_seed(0)
    tower = Tower(architecture, vocabulary=vocabulary, dimensions=12, longest=10, buckets=16)
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return tower


def test_a_static_table_as_wide_as_the_gallery_is_served_without_a_product() -> None:
    tower = random_tower(Architecture(12, pairs=True), 9)
    used = [node.op_type for node in to_onnx(tower).graph.node]
    assert used.count("MatMul") == 1  # the weighted mean
    ids = torch.tensor([[1, 2, 3, 8], [8, 8, 1, 0]])
    with torch.no_grad():
        torch.testing.assert_close(folded(tower)(ids), tower(ids))
        assert tower.project.weight.shape == (12, 12)


@pytest.mark.parametrize(
    "architecture",
    [Architecture(12), Architecture(8, pairs=True, weighted=False), Architecture(8, 2, 2, 2, 3, True, True)],
)
def test_what_is_opened_encodes_as_what_was_written(
    tmp_path: Path, tokenizer: Tokenizer, architecture: Architecture
) -> None:
    tower = random_tower(architecture, tokenizer.vocabulary)
    part = export(tower, tokenizer, tmp_path / "tower", name="small", gallery="of the index", parent="the last one")
    opened = QueryEncoder.open(tmp_path / "tower")
    assert (opened.dimensions, opened.gallery, opened.fingerprint) == (12, "of the index", part.hash)
    texts = ["toy story 3", "the lion king movie", "up", "toy story", "the king the king the king the king the king"]
    found = opened.encode(texts)
    again, same = load(tmp_path / "tower")
    for row, text in zip(found, texts, strict=True):
        (ids,) = same.tokenize([text])
        with torch.no_grad():
            np.testing.assert_allclose(row, tower(torch.tensor([ids]))[0].numpy(), atol=1e-6)
            np.testing.assert_array_equal(tower(torch.tensor([ids])), again(torch.tensor([ids])))
        np.testing.assert_allclose(row, opened.encode([text])[0], atol=1e-6)
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
    assert again.architecture == architecture
    assert opened.encode([]).shape == (0, 12)


def test_a_tokenizer_of_another_vocabulary_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidInput, match="ids"):
        export(random_tower(Architecture(8), 99), tokenizer, tmp_path / "tower", name="small", gallery="")
