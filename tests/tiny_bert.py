"""A small BERT with random weights, as a folder."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from segue.encode.pretrained import minilm_folder

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


def write(folder: Path) -> Path:
    """Named as a whole checkpoint names them (`bert.` in front), with MiniLM's tokenizer."""
    shutil.copy(minilm_folder() / "tokenizer.json", folder)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file(weights(), folder / "model.safetensors")
    return folder
