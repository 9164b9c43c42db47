"""The encoder that serves: an int8 ONNX graph, run by onnxruntime. No torch here: serving memory stays small."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from segue import artifact
from segue.artifact import Artifact
from segue.encode.encoder import Ids, Vectors, encode_by_length
from segue.encode.tokenizer import Tokenizer
from segue.errors import Corrupt, InvalidInput

KIND = "encoder"
FORMAT = "onnx-int8"
GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"


class OnnxEncoder:
    """An opened encoder artifact. May be shared by threads: it holds no state that a call changes.

    The same text gives the same vector alone and in any batch, up to float32 rounding: 4e-8 over 840 film titles (see
    `segue.encode.int8`). Measured for MiniLM on 2 x86 cores: 1.4 ms a request on one thread (torch 9.1), 58,788 film
    titles in 21 s on two (2,867/s; torch 935/s), 111 MB of memory after the first request.
    """

    def __init__(self, session: Any, tokenizer: Tokenizer, *, dimensions: int, fingerprint: str) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self.dimensions = dimensions
        self.fingerprint = fingerprint

    @classmethod
    def open(cls, folder: Path | str, *, threads: int = 1) -> "OnnxEncoder":
        """Open what `segue.encode.export` wrote: `threads` 1 for requests, all cores for a catalogue.

        Raises what `artifact.open` raises, and `InvalidInput` or `Corrupt` for an encoder of another format.
        """
        if threads < 1:
            raise InvalidInput(f"threads is {threads}.", expected="1 or more", fix="pass threads=1")
        part = artifact.open(folder, kind=KIND)
        wrong = InvalidInput(
            f"The encoder in {folder} is not one that can be served.",
            expected=f"an artifact of format {FORMAT!r}",
            fix="make it with segue.encode.export.export",
        )
        session, tokenizer, dimensions = open_graph(part, FORMAT, threads, wrong)
        return cls(session, tokenizer, dimensions=dimensions, fingerprint=part.hash)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`n` texts → unit rows, float32 [n, dimensions]. Raises `InvalidInput` for anything but texts."""
        return encode_by_length(texts, self._tokenizer, self._embed, dimensions=self.dimensions)

    def _embed(self, ids: Ids) -> Vectors:
        return np.asarray(self._session.run(None, {"ids": ids})[0], dtype=np.float32)


def open_graph(part: Artifact, format: str, threads: int, wrong: InvalidInput) -> tuple[Any, Tokenizer, int]:
    """The session, tokenizer and number of dimensions of an exported encoder; raises `wrong` for one of another format."""
    match dict(part.meta):
        case {"format": str(used), "dimensions": int(dimensions), "longest": int(longest)} if used == format:
            tokenizer = Tokenizer.open(part.path(TOKENIZER), longest=longest)
            return _session(part.path(GRAPH), threads), tokenizer, dimensions
        case _:
            raise wrong


def _session(path: Path, threads: int) -> Any:
    """An onnxruntime session on the CPU; raises `Corrupt` for a graph that cannot be opened."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Corrupt(
            f"onnxruntime {onnxruntime.__version__} cannot open {path}: {error}.", fix="make the artifact again"
        ) from error
