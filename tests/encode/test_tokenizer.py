"""Text → ids."""

from pathlib import Path

import pytest

from segue.encode.pretrained import TorchEncoder
from segue.encode.tokenizer import Tokenizer
from segue.errors import InvalidInput, NotFound


def test_a_batch_is_padded_to_its_longest(reference: TorchEncoder) -> None:
    tokens = reference.tokenizer.batch(["mary poppins", "a"])
    assert tokens.ids.shape == tokens.mask.shape
    assert tokens.mask.sum(axis=1).tolist() == [len(row) for row in reference.tokenizer.tokenize(["mary poppins", "a"])]
    assert tokens.ids[1, tokens.mask[1] == 0].tolist() == [0] * int((1 - tokens.mask[1]).sum())


def test_a_long_text_is_cut(reference: TorchEncoder) -> None:
    (row,) = reference.tokenizer.tokenize(["word " * 1000])
    assert len(row) == reference.tokenizer.longest == 256
    assert row[-1] == 102


def test_an_empty_batch_has_no_rows(reference: TorchEncoder) -> None:
    assert reference.tokenizer.batch([]).ids.shape == (0, 0)


def test_what_cannot_be_opened(reference: TorchEncoder, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Tokenizer.open(tmp_path / "tokenizer.json", longest=8)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="not text"):
        Tokenizer.open(tmp_path / "tokenizer.json", longest=8)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Tokenizer("{", longest=8)
    with pytest.raises(InvalidInput, match="special"):
        Tokenizer(reference.tokenizer.definition, longest=2)
