"""Encoders out of folders and packages."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from segue.encode import pretrained
from segue.encode.pretrained import TorchEncoder, load
from segue.errors import Corrupt, InvalidInput, NotFound, Unavailable
from tests.tiny_bert import CONFIG


def test_any_bert_like_folder_loads(tiny_bert: Path) -> None:
    encoder = load(tiny_bert)
    assert encoder.dimensions == 8
    assert encoder.tokenizer.longest == 32
    assert encoder.encode(["word " * 100]).shape == (1, 8)


def test_the_fingerprint_follows_the_weights(tiny_bert: Path, reference: TorchEncoder) -> None:
    first, second = load(tiny_bert), load(tiny_bert)
    assert first.fingerprint == second.fingerprint != reference.fingerprint
    with torch.no_grad():
        second.transformer.norm.bias[0] += 1
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(tiny_bert: Path, file: str) -> None:
    (tiny_bert / file).unlink()
    with pytest.raises(NotFound, match=file):
        load(tiny_bert)


def test_another_pooling_is_refused(tiny_bert: Path) -> None:
    (tiny_bert / "1_Pooling").mkdir()
    (tiny_bert / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    with pytest.raises(InvalidInput, match="pooling_mode_cls_token"):
        load(tiny_bert)


@pytest.mark.parametrize(
    "change", [{"hidden_act": "relu"}, {"position_embedding_type": "relative_key"}, {"model_type": "t5"}]
)
def test_another_architecture_is_refused(tiny_bert: Path, change: dict[str, Any]) -> None:
    (tiny_bert / "config.json").write_text(json.dumps(CONFIG | change))
    with pytest.raises(InvalidInput, match=next(iter(change))):
        load(tiny_bert)


def test_what_is_broken(tiny_bert: Path) -> None:
    (tiny_bert / "config.json").write_text(json.dumps(CONFIG | {"hidden_size": 16}))
    with pytest.raises(InvalidInput, match="do not fit"):
        load(tiny_bert)
    (tiny_bert / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": 2}))
    with pytest.raises(InvalidInput, match="lack"):
        load(tiny_bert)
    (tiny_bert / "config.json").write_text(json.dumps({"vocab_size": 3}))
    with pytest.raises(InvalidInput, match="does not name"):
        load(tiny_bert)
    (tiny_bert / "config.json").write_text("{")
    with pytest.raises(Corrupt, match=r"config\.json"):
        load(tiny_bert)
    (tiny_bert / "config.json").write_text(json.dumps(CONFIG))
    (tiny_bert / "model.safetensors").write_bytes(b"no")
    with pytest.raises(Corrupt, match=r"model\.safetensors"):
        load(tiny_bert)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="pip install"):
        pretrained.minilm()
