"""The vectors of one domain: int8 rows on disk by item number, searched exactly while few and by an inverted file when many.

A row is a unit vector `v` kept as `code = round(v / scale)` with one float `scale` a row, 1 byte a component (cosine to the
original above .999). Rows are only ever appended. An `Ivf` is a frozen faiss index over the numbers up to `covers`; newer
rows, the tail, are searched exactly beside it until the next build swaps a larger one in.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import orjson
from numpy.typing import NDArray

from segue.encode.encoder import Encoder
from segue.records import Candidates, Numbers, Scores

EXACT = 50_000
"""Up to so many vectors the search is exact: a product with all of them is as fast as an index, and never wrong."""

_TAIL = 0.2
"""An inverted file is built anew when this share of the rows lies behind it."""

_RECALL = 0.95
_SAMPLE = 64
"""Training vectors a cluster: faiss warns below 39."""

Floats = NDArray[np.float32]


class VectorFile:
    """Rows by number in one file: `scale` float32 and `code` int8 [dimensions]. Numbers never embedded are zero."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "rows.i8"
        self._made_by = folder / "encoder.json"
        self._encoder = encoder
        self._type = np.dtype([("scale", "<f4"), ("code", "i1", (encoder.dimensions,))])
        made_by = {"fingerprint": encoder.fingerprint, "dimensions": encoder.dimensions}
        if not self._made_by.exists() or orjson.loads(self._made_by.read_bytes()) != made_by:
            for file in folder.iterdir():  # vectors of another encoder do not compare with this one's
                file.unlink()
            self._made_by.write_bytes(orjson.dumps(made_by))
        self._file.touch()

    def __len__(self) -> int:
        """One more than the highest number embedded."""
        return self._file.stat().st_size // self._type.itemsize

    def embed(self, numbers: Sequence[int], texts: Sequence[str]) -> None:
        """Encode `texts` and write them as the rows `numbers` (ascending), durable at return."""
        if not numbers:
            return
        rows = np.zeros(numbers[-1] - numbers[0] + 1, dtype=self._type)
        at = np.asarray(numbers) - numbers[0]
        vectors = self._encoder.encode(texts)
        scale = np.maximum(np.abs(vectors).max(axis=1), 1e-12) / 127
        rows["scale"][at] = scale
        rows["code"][at] = np.rint(vectors / scale[:, None])
        with self._file.open("r+b") as stream:
            stream.seek(numbers[0] * self._type.itemsize)
            stream.write(rows.tobytes())
            stream.flush()
            os.fsync(stream.fileno())

    def rows(self) -> NDArray[Any]:
        """The whole file, mapped into memory and read as it is needed."""
        if len(self) == 0:
            return np.zeros(0, dtype=self._type)
        return np.memmap(self._file, dtype=self._type, mode="r", shape=(len(self),))


def decode(rows: NDArray[Any]) -> Floats:
    """float32 [n, dimensions] from stored rows."""
    return np.asarray(rows["code"].astype(np.float32) * rows["scale"][:, None])


@dataclass(frozen=True, slots=True)
class Ivf:
    """A faiss inverted file with 8-bit codes over the item numbers up to `covers`; `probes` cells reach the wanted recall."""

    index: Any
    covers: int
    probes: int


class VectorSearcher:
    """A snapshot: the rows of the items alive at one version."""

    def __init__(self, rows: NDArray[Any], alive: Numbers, ivf: Ivf | None) -> None:
        self._rows = rows
        alive = alive[alive < len(rows)]
        self._ivf = ivf
        covers = ivf.covers if ivf else 0
        self._tail = alive[alive > covers]
        self._tail_vectors = decode(rows[self._tail])
        self._selector: Any = None
        if ivf is not None and len(alive) - len(self._tail) < ivf.index.ntotal:
            bits = np.zeros(covers + 1, dtype=bool)
            bits[alive[alive <= covers]] = True
            self._bits = np.packbits(bits, bitorder="little")  # faiss keeps a pointer: the array must live as long
            self._selector = faiss.IDSelectorBitmap(self._bits)

    def search(self, strategy: str, vector: Floats, k: int, *, allowed: Numbers | None = None) -> Candidates:
        """The `k` items whose vectors have the highest cosine with `vector` [dimensions]; `allowed` numbers only, if given.

        An inverted file loses recall under a filter (.70 at 1 in 1000), so a filtered search scores the allowed rows exactly.
        """
        if allowed is not None:
            allowed = allowed[allowed < len(self._rows)]
            return best(strategy, allowed, decode(self._rows[allowed]) @ vector, k)
        found = best(strategy, self._tail, self._tail_vectors @ vector, k)
        if self._ivf is None:
            return found
        settings = faiss.SearchParametersIVF(nprobe=self._ivf.probes, sel=self._selector)
        scores, numbers = self._ivf.index.search(vector[None, :], k, params=settings)
        kept = numbers[0] >= 0
        return best(
            strategy,
            np.concatenate([numbers[0][kept], found.numbers]),
            np.concatenate([scores[0][kept], found.scores]),
            k,
        )


def best(strategy: str, numbers: Numbers, scores: Scores, k: int) -> Candidates:
    """The `k` highest scores in descending order; equal scores by number, so that the order is always the same."""
    if len(numbers) > 4 * k:
        kept = np.argpartition(-scores, k)[: 2 * k]
        numbers, scores = numbers[kept], scores[kept]
    order = np.lexsort((numbers, -scores))[:k]
    return Candidates(strategy, numbers[order].astype(np.int64), scores[order].astype(np.float32))


def needs_ivf(alive: Numbers, ivf: Ivf | None) -> bool:
    """Whether there are too many rows to search exactly, and too many of them behind what is clustered."""
    if len(alive) <= EXACT:
        return False
    behind = int((alive > ivf.covers).sum()) if ivf else len(alive)
    return behind > max(EXACT // 2, _TAIL * len(alive))


def build_ivf(rows: NDArray[Any], alive: Numbers, *, seed: int = 0) -> Ivf:
    """Cluster and fill an inverted file over the alive rows, and find how many cells must be probed for recall .95 at 10."""
    random = np.random.default_rng(seed)
    dimensions = rows["code"].shape[1]
    cells = int(min(1024, max(64, 2 * np.sqrt(len(alive)))))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimensions), dimensions, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.own_fields = False
    index.cp.niter = 10
    index.cp.seed = seed + 1
    sample = np.sort(random.choice(alive, min(len(alive), _SAMPLE * cells), replace=False))
    index.train(decode(rows[sample]))
    for start in range(0, len(alive), 20_000):
        part = alive[start : start + 20_000]
        index.add_with_ids(decode(rows[part]), part)
    return Ivf(index, covers=int(alive[-1]), probes=_probes(index, rows, alive, random))


def _probes(index: Any, rows: NDArray[Any], alive: Numbers, random: np.random.Generator) -> int:
    """The fewest probed cells, in powers of two, whose recall at 10 against the exact answer is at least .95."""
    queries = decode(rows[random.choice(alive, min(100, len(alive)), replace=False)])
    exact: list[Any] = []
    scores = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    names = np.zeros((len(queries), 0), dtype=np.int64)
    for start in range(0, len(alive), 20_000):
        part = alive[start : start + 20_000]
        scores = np.concatenate([scores, queries @ decode(rows[part]).T], axis=1)
        names = np.concatenate([names, np.broadcast_to(part, (len(queries), len(part)))], axis=1)
        top = np.argpartition(-scores, 10, axis=1)[:, :10]
        scores, names = np.take_along_axis(scores, top, 1), np.take_along_axis(names, top, 1)
    exact = [set(row) for row in names.tolist()]
    probes = 4
    while probes < min(64, index.nlist):
        _, found = index.search(queries, 10, params=faiss.SearchParametersIVF(nprobe=probes))
        hits = sum(len(truth.intersection(row)) for truth, row in zip(exact, found.tolist(), strict=True))
        if hits >= _RECALL * 10 * len(queries):
            break
        probes *= 2
    return probes


def save_ivf(ivf: Ivf, folder: Path) -> None:
    """Write the index and what it covers; the small file, renamed last, is what makes it count."""
    name = f"ivf-{ivf.covers}.faiss"
    temporary = folder / f"{name}.new"
    faiss.write_index(ivf.index, str(temporary))
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(folder / name)
    pointer = folder / "ivf.json.new"
    pointer.write_bytes(orjson.dumps({"file": name, "covers": ivf.covers, "probes": ivf.probes}))
    pointer.replace(folder / "ivf.json")
    for old in folder.glob("ivf-*.faiss"):
        if old.name != name:
            old.unlink()


def open_ivf(folder: Path, opened: Ivf | None = None) -> Ivf | None:
    """The saved index, `opened` itself when that is the one, or None when there is none that can be read (it is then rebuilt)."""
    try:
        about = orjson.loads((folder / "ivf.json").read_bytes())
        if opened is not None and opened.covers == about["covers"]:
            return opened
        return Ivf(faiss.read_index(str(folder / about["file"])), about["covers"], about["probes"])
    except (FileNotFoundError, RuntimeError, orjson.JSONDecodeError, KeyError):
        return None
