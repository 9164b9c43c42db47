"""From a trained `TorchEncoder` to the int8 ONNX artifact that serving opens. Knows both torch and ONNX."""

import argparse
import tempfile
import warnings
from copy import copy
from pathlib import Path

import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from segue import artifact
from segue.encode.int8 import quantise
from segue.encode.positions.floater import FloaterPositions
from segue.encode.positions.stored import StoredPositions
from segue.encode.pretrained import TorchEncoder, load, minilm
from segue.encode.quantised import FORMAT, GRAPH, KIND, TOKENIZER
from segue.encode.states import FORMAT as STATES_FORMAT
from segue.encode.states import KIND as STATES_KIND
from segue.encode.transformer import Transformer, pool

_OPSET = 18


def export(encoder: TorchEncoder, folder: Path | str, *, name: str, parent: str | None = None) -> artifact.Artifact:
    """Write `encoder` as int8 ONNX to a new `folder`: 24 MB and about 2 s for MiniLM.

    `meta` keeps dimensions, longest text in tokens, pooling and the fingerprint of the encoder it was made from;
    `parent` is the content hash of the artifact that this one replaces. Raises what `artifact.write` raises.
    """
    return artifact.write(
        folder,
        kind=KIND,
        name=name,
        files={
            GRAPH: quantise(to_onnx(encoder)).SerializeToString(deterministic=True),
            TOKENIZER: encoder.tokenizer.definition.encode(),
        },
        meta={
            "format": FORMAT,
            "dimensions": encoder.dimensions,
            "longest": encoder.tokenizer.longest,
            "pooling": "mean, unit length",
            "source": encoder.fingerprint,
        },
        parent=parent,
    )


def export_states(encoder: TorchEncoder, folder: Path | str, *, name: str, block: int) -> artifact.Artifact:
    """Write `encoder` as int8 ONNX that also gives the state of every piece after `block` blocks, for `StatesEncoder`."""
    return artifact.write(
        folder,
        kind=STATES_KIND,
        name=name,
        files={
            GRAPH: quantise(to_onnx(encoder, block=block)).SerializeToString(deterministic=True),
            TOKENIZER: encoder.tokenizer.definition.encode(),
        },
        meta={
            "format": STATES_FORMAT,
            "dimensions": encoder.dimensions,
            "longest": encoder.tokenizer.longest,
            "block": block,
            "source": encoder.fingerprint,
        },
    )


def to_onnx(encoder: TorchEncoder, *, block: int | None = None) -> ModelProto:
    """The float32 graph: `ids` int64 [b, n], all of one length → `vectors` float32 [b, d], pooled unit rows; with `block`, also
    `states` float32 [b, n, d], those after so many blocks. FLOATER's biases are in it up to the encoder's longest text."""
    transformer = _stored(encoder)
    outputs = ["vectors"] if block is None else ["vectors", "states"]
    module: nn.Module = _Pooled(transformer) if block is None else _PooledWithStates(transformer, block)
    axes = {"ids": {0: "texts", 1: "tokens"}, "vectors": {0: "texts"}, "states": {0: "texts", 1: "tokens"}}
    example = torch.ones(2, 7, dtype=torch.int64)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracing exporter is deprecated. It is kept because it takes 1 s (the other 7 s and onnxscript) and its
        # graph is the faster one. The check of the text's length is a plain `if`, which tracing rightly leaves out.
        warnings.simplefilter("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python")
        torch.onnx.export(
            module.eval(),
            (example,),
            f"{folder}/float32.onnx",
            input_names=["ids"],
            output_names=outputs,
            dynamic_axes={name: axes[name] for name in ("ids", *outputs)},
            opset_version=_OPSET,
            dynamo=False,
        )
        return onnx.load(f"{folder}/float32.onnx")


def _stored(encoder: TorchEncoder) -> Transformer:
    transformer = encoder.transformer
    if not isinstance(transformer.positions, FloaterPositions):
        return transformer
    positions = StoredPositions(transformer.positions, transformer.own_biases(), longest=encoder.tokenizer.longest)
    # The same blocks around other positions: nothing of the encoder is changed or copied.
    made = copy(transformer)
    made._modules = {**transformer._modules, "positions": positions}
    return made


class _Pooled(nn.Module):
    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, ids: Tensor) -> Tensor:
        return pool(self.transformer(ids))


class _PooledWithStates(nn.Module):
    def __init__(self, transformer: Transformer, block: int) -> None:
        super().__init__()
        self.transformer, self.block = transformer, block

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        states = self.transformer.states(ids)
        return pool(states[-1]), states[self.block]


def main() -> None:
    """Make the int8 encoder from the installed MiniLM, or from a model's folder: `python -m segue.encode.export FOLDER
    [--model DIR] [--states BLOCK]`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--states", type=int, metavar="BLOCK", help="one that also gives each word's state after a block"
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="a BERT-like folder, in place of MiniLM")
    wanted = parser.parse_args()
    encoder, name = (minilm(), "minilm") if wanted.model is None else (load(wanted.model), "encoder")
    if wanted.states is None:
        export(encoder, wanted.folder, name=name)
    else:
        export_states(encoder, wanted.folder, name=f"{name}-states", block=wanted.states)


if __name__ == "__main__":
    main()
