"""The int8 encoder that serves, against the one it was made from."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest

from segue import artifact
from segue.encode.export import export, to_onnx
from segue.encode.int8 import scaled
from segue.encode.pretrained import TorchEncoder
from segue.encode.quantised import GRAPH, KIND, TOKENIZER, OnnxEncoder
from segue.errors import Corrupt, InvalidInput, NotFound


def test_int8_is_close_to_float32(reference: TorchEncoder, int8_folder: Path, texts: list[str]) -> None:
    cosine = (OnnxEncoder.open(int8_folder).encode(texts) * reference.encode(texts)).sum(axis=1)
    assert cosine.mean() > 0.992
    assert cosine.min() > 0.97


def test_the_float32_graph_is_the_transformer(reference: TorchEncoder) -> None:
    session = onnxruntime.InferenceSession(to_onnx(reference).SerializeToString(), providers=["CPUExecutionProvider"])
    for text in ("a", "mary poppins", "word " * 400):
        ids = np.array(reference.tokenizer.tokenize([text, text]), dtype=np.int64)
        (vectors,) = session.run(None, {"ids": ids})
        np.testing.assert_allclose(vectors[:1], reference.encode([text]), atol=1e-5)


def test_the_artifact_is_small_and_says_what_it_is(reference: TorchEncoder, int8_folder: Path) -> None:
    part = artifact.open(int8_folder, kind=KIND)
    assert part.files[GRAPH].bytes < 24_000_000
    assert part.meta["dimensions"] == 384
    assert part.meta["longest"] == 256
    assert part.meta["source"] == reference.fingerprint
    assert OnnxEncoder.open(int8_folder).fingerprint == part.hash


def test_the_same_weights_give_the_same_artifact(reference: TorchEncoder, int8_folder: Path, tmp_path: Path) -> None:
    again = export(reference, tmp_path / "again", name="again", parent="0" * 64)
    assert again.hash == artifact.open(int8_folder, kind=KIND).hash


def test_threads_change_speed_only(int8_folder: Path, texts: list[str]) -> None:
    one, two = (OnnxEncoder.open(int8_folder, threads=n) for n in (1, 2))
    np.testing.assert_allclose(one.encode(texts), two.encode(texts), atol=2e-6)


def test_one_encoder_serves_many_threads(int8_folder: Path, texts: list[str]) -> None:
    encoder = OnnxEncoder.open(int8_folder)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: encoder.encode([text])[0], texts))
    np.testing.assert_allclose(np.stack(rows), encoder.encode(texts), atol=2e-6)


def test_serving_imports_no_torch(int8_folder: Path) -> None:
    code = (
        "import sys; from segue.encode.quantised import OnnxEncoder; "
        f"OnnxEncoder.open({str(int8_folder)!r}).encode(['a']); "
        "sys.exit(' '.join({'torch', 'onnx', 'transformers', 'sentence_transformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_opened(int8_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        OnnxEncoder.open(tmp_path / "absent")
    with pytest.raises(InvalidInput, match="threads"):
        OnnxEncoder.open(int8_folder, threads=0)
    part = artifact.open(int8_folder, kind=KIND)
    tokenizer = part.path(TOKENIZER).read_bytes()
    artifact.write(tmp_path / "other", kind=KIND, name="other", meta={"format": "torch"})
    with pytest.raises(InvalidInput, match="onnx-int8"):
        OnnxEncoder.open(tmp_path / "other")
    files = {GRAPH: b"no graph", TOKENIZER: tokenizer}
    artifact.write(tmp_path / "broken", kind=KIND, name="broken", files=files, meta=part.meta)
    with pytest.raises(Corrupt, match="onnxruntime"):
        OnnxEncoder.open(tmp_path / "broken")


def test_scales_are_per_column_and_within_half_a_step() -> None:
    matrix = np.random.default_rng(0).normal(size=(40, 7)).astype(np.float32) * np.logspace(-3, 3, 7, dtype=np.float32)
    numbers, scale = scaled(matrix, axis=0)
    assert scale.shape == (1, 7)
    assert np.abs(numbers).max(axis=0).tolist() == [127] * 7
    assert (np.abs(numbers * scale - matrix) <= scale * 0.5001).all()
    assert not scaled(np.zeros((3, 2), dtype=np.float32), axis=0)[0].any()
