"""The vectors of one domain: int8 rows on disk by item number, searched exactly while few and by an inverted file when many.

`VectorFile` holds those of one encoder; `mixed.py` has those of two, while one takes over from the other.

A row is a unit vector `v` kept as `code = round(v / scale)` with one float `scale` a row, 1 byte a component (cosine to the
original above .999). Rows are only ever appended. An `Ivf` is a frozen faiss index over the numbers up to `covers`; newer
rows, the tail, are looked at one by one beside it until the next one takes them in. What the coarse codes of either find
is scored again with the rows themselves.
"""

import os
import shutil
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
import orjson
from numpy.typing import NDArray

from segue.encode.encoder import Encoder
from segue.records import Candidates, Numbers, Scores

EXACT = 50_000
"""Up to so many vectors the search is exact: a product with all of them is as fast as an index, and never wrong."""

_TAIL = 0.05
"""Rows behind an inverted file, as a share of all, that are searched beside it before it takes them in."""

_WORN = 1.5
"""An inverted file that would hold so many times the rows alive, or twice as many as it was clustered for, is built anew."""

_RECALL = 0.95

_LIKELY = 200
"""Rows found by coarse codes, at the least, to be scored with the rows themselves; four times as many as are asked for."""

_SAMPLE = 64
"""Training vectors a cluster: faiss warns below 39."""

_MADE_BY = "encoder.json"
"""In a folder of vectors: which encoder made them, and how much of a text it read."""

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class Rows(Protocol):
    """Vectors by item number, as far as they were embedded when they were looked up. `real` says which of them have been embedded
    anew, by number, while one encoder takes over from another; None where none does."""

    dimensions: int

    @property
    def real(self) -> Flags | None: ...

    def __len__(self) -> int:
        """One more than the highest number."""
        ...

    def of(self, numbers: Numbers) -> Floats:
        """float32 [n, dimensions]; each number must be below `len`."""
        ...

    def scores(self, numbers: Numbers, vector: Floats) -> Scores:
        """Products of items with `vector` [dimensions], float32 [n]: to the bit the same in any company."""
        ...


class StoredRows:
    """Rows as they lie on disk: `scale` float32 and `code` int8 [dimensions]."""

    real: Flags | None = None

    def __init__(self, stored: NDArray[Any]) -> None:
        self._stored = stored
        self.dimensions: int = stored["code"].shape[1]

    def __len__(self) -> int:
        return len(self._stored)

    def of(self, numbers: Numbers) -> Floats:
        rows = self._stored[numbers]
        return np.asarray(rows["code"].astype(np.float32) * rows["scale"][:, None])

    def scores(self, numbers: Numbers, vector: Floats) -> Scores:
        rows = self._stored[numbers]
        products = np.einsum("nd,d->n", rows["code"].astype(np.float32), vector)  # unlike @, each row by itself
        return np.asarray(products * rows["scale"])


def row_type(dimensions: int) -> np.dtype[Any]:
    return np.dtype([("scale", "<f4"), ("code", "i1", (dimensions,))])


def packed(vectors: Floats) -> NDArray[Any]:
    """Vectors [n, dimensions] as stored rows."""
    rows = np.zeros(len(vectors), dtype=row_type(vectors.shape[1]))
    scale = np.maximum(np.abs(vectors).max(axis=1, initial=0.0), 1e-12) / 127
    rows["scale"] = scale
    rows["code"] = np.rint(vectors / scale[:, None])
    return rows


def stored(file: Path, dimensions: int) -> StoredRows:
    """A whole file of rows, mapped into memory and read as it is needed."""
    kind = row_type(dimensions)
    count = file.stat().st_size // kind.itemsize
    if not count:
        return StoredRows(np.zeros(0, dtype=kind))
    return StoredRows(np.memmap(file, dtype=kind, mode="r", shape=(count,)))


class VectorFile:
    """Rows by number in one file. Numbers never embedded are zero."""

    def __init__(self, folder: Path, encoder: Encoder, *, whole: bool = False) -> None:
        """`whole` counts where the folder is new; later it says itself how much is read."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = folder / "rows.i8"
        self._made_by = folder / _MADE_BY
        self.encoder = encoder
        self._type = row_type(encoder.dimensions)
        found = _parsed(self._made_by) if self._made_by.exists() else None
        self.whole = whole if found is None else isinstance(found, dict) and found.get("reads") == "whole"
        if found != self._about():
            self._begin()  # vectors of another encoder do not compare with this one's
        self._file.touch()

    @property
    def base(self) -> "VectorFile":
        """The vectors that the text index is learned from: these."""
        return self

    @property
    def state(self) -> Hashable:
        """What of vectors already embedded may have changed since: nothing."""
        return self.fingerprint

    @property
    def fingerprint(self) -> str:
        """Of the encoder that made the vectors, and of how much it read."""
        return f"{self.encoder.fingerprint} whole" if self.whole else self.encoder.fingerprint

    def read_whole(self, whole: bool) -> bool:
        """Embed whole texts from now on, or their start; True where that has changed: then there are no vectors left."""
        if whole == self.whole:
            return False
        self.whole = whole
        self._begin()
        self._file.touch()
        return True

    def _about(self) -> dict[str, Any]:
        about = {"fingerprint": self.encoder.fingerprint, "dimensions": self.encoder.dimensions}
        return {**about, "reads": "whole"} if self.whole else about

    def _begin(self) -> None:
        for file in self.folder.iterdir():
            if file.is_dir():
                shutil.rmtree(file)
            elif file != self._made_by:  # that goes last: it says how much is read, also where this is stopped half-way
                file.unlink()
        temporary = self._made_by.with_suffix(".new")
        temporary.write_bytes(orjson.dumps(self._about()))
        temporary.replace(self._made_by)

    def __len__(self) -> int:
        """One more than the highest number embedded."""
        return self._file.stat().st_size // self._type.itemsize

    def embed(self, numbers: Sequence[int], texts: Sequence[str]) -> None:
        """Encode `texts` and write them as the rows `numbers` (ascending), durable at return; all others stay as they are."""
        if not numbers:
            return
        rows = packed(self.encoder.encode(texts))
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        with self._file.open("r+b") as stream:
            for run in np.split(np.arange(len(numbers)), breaks):
                stream.seek(numbers[run[0]] * self._type.itemsize)
                stream.write(rows[run].tobytes())
            stream.flush()
            os.fsync(stream.fileno())

    def rows(self) -> StoredRows:
        """The whole file."""
        return stored(self._file, self.encoder.dimensions)


def folder_of(domain: Path, fingerprint: str) -> Path | None:
    """Where an encoder's vectors lie in a domain's folder; None where there are none."""
    for made_by in sorted(domain.glob(f"vectors*/{_MADE_BY}")):
        about = _parsed(made_by)
        if isinstance(about, dict) and about.get("fingerprint") == fingerprint:
            return made_by.parent
    return None


def folder_taken(folder: Path) -> bool:
    """Whether a folder holds some encoder's vectors."""
    return (folder / _MADE_BY).exists()


def _parsed(file: Path) -> Any:
    """What a JSON file holds, or None when it is none."""
    try:
        return orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class Ivf:
    """A faiss inverted file over the item numbers up to `covers`; `probes` cells reach the wanted recall.

    Its codes take 2 bits a component (product quantisation, 4 bits for every 2): with the best 200 scored again, it finds
    as much in MiniLM's vectors of 58,788 film titles as with 8 bits (recall at 10 .949, in 64 of 484 cells), in a quarter
    of the memory and time.
    Its cells were chosen when there were `clustered` rows. Its codes are of the vectors of then: those in `real`, by number, had
    been embedded anew.
    """

    index: Any
    covers: int
    probes: int
    clustered: int
    real: Flags | None = None

    def behind(self, rows: Rows, alive: Numbers) -> Flags:
        """Which of the items alive it does not know, or by a vector that is theirs no more, [n]."""
        behind = alive > self.covers
        if rows.real is not None:
            before = np.zeros(len(rows.real), dtype=np.bool_)
            if self.real is not None:
                before[: len(self.real)] = self.real[: len(before)]
            behind |= (rows.real & ~before)[alive]
        return np.asarray(behind)


class VectorSearcher:
    """A snapshot: the rows of the items alive at one version."""

    def __init__(self, rows: Rows, alive: Numbers, ivf: Ivf | None, state: Hashable = None) -> None:
        """`state` is equal where vectors by number are."""
        self._rows = rows
        self.state = state
        alive = alive[alive < len(rows)]
        self._ivf = ivf
        behind = np.ones(len(alive), dtype=np.bool_) if ivf is None else ivf.behind(rows, alive)
        self._tail = alive[behind]
        self._tail_index = _flat(rows, self._tail)
        self._selector: Any = None
        if ivf is not None and len(alive) - len(self._tail) < ivf.index.ntotal:
            bits = np.zeros(ivf.covers + 1, dtype=bool)
            bits[alive[~behind]] = True
            self._bits = np.packbits(bits, bitorder="little")  # faiss keeps a pointer: the array must live as long
            self._selector = faiss.IDSelectorBitmap(self._bits)

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, numbers: Numbers) -> Floats:
        """Vectors float32 [n, dimensions] of items by number; each number must be below `len`."""
        return self._rows.of(numbers)

    def search(self, strategy: str, vector: Floats, k: int, *, allowed: Numbers | None = None) -> Candidates:
        """The `k` items whose vectors have the highest cosine with `vector` [dimensions]; `allowed` numbers only, if given.

        An inverted file loses recall under a filter (.70 at 1 in 1000), so a filtered search scores the allowed rows exactly.
        """
        if allowed is not None:
            allowed = allowed[allowed < len(self._rows)]
            return best(strategy, allowed, self._rows.of(allowed) @ vector, k)
        numbers = self._likely(vector, max(_LIKELY, 4 * k))
        return best(strategy, numbers, self._rows.scores(numbers, vector), k)

    def _likely(self, vector: Floats, count: int) -> Numbers:
        """The `count` that look best by coarse codes in the tail, and as many of the inverted file; ascending."""
        faiss.omp_set_num_threads(1)  # requests share the cores; the setting is the calling thread's own
        found = [np.zeros(0, dtype=np.int64)]
        if len(self._tail):
            _, places = self._tail_index.search(_in_bytes(vector)[None, :], min(count, len(self._tail)))
            found.append(self._tail[places[0]])
        if self._ivf is not None:
            settings = faiss.SearchParametersIVF(nprobe=self._ivf.probes, sel=self._selector)
            _, numbers = self._ivf.index.search(vector[None, :], count, params=settings)
            found.append(numbers[0][numbers[0] >= 0])
        return np.sort(np.concatenate(found))


def _flat(rows: Rows, numbers: Numbers) -> Any:
    """Every vector in a byte a component, of one scale, for queries of the same: products of whole numbers, in less than half the
    time of half precision. What it finds is scored with the rows themselves."""
    index = faiss.IndexScalarQuantizer(
        rows.dimensions, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    parts = [numbers[start : start + 20_000] for start in range(0, len(numbers), 20_000)]
    largest = max((float(np.abs(rows.of(part)).max()) for part in parts), default=0.0) or 1.0
    for part in parts:
        index.add(np.rint(rows.of(part) * (127 / largest)))
    return index


def _in_bytes(vector: Floats) -> Floats:
    """A query as whole numbers from -127 to 127: as long as it may be, for the order is the same."""
    return np.asarray(np.rint(vector * (127 / (float(np.abs(vector).max()) or 1.0))), dtype=np.float32)


def best(strategy: str, numbers: Numbers, scores: Scores, k: int) -> Candidates:
    """The `k` highest scores in descending order; equal scores by number, so that the order is always the same."""
    if len(numbers) > 4 * k:
        kept = scores >= np.partition(scores, -k)[-k]
        numbers, scores = numbers[kept], scores[kept]
    order = np.lexsort((numbers, -scores))[:k]
    return Candidates(strategy, numbers[order].astype(np.int64), scores[order].astype(np.float32))


def needs_ivf(rows: Rows, alive: Numbers, ivf: Ivf | None) -> bool:
    """Whether there are too many rows to search exactly, and too many of them behind what is clustered."""
    if len(alive) <= EXACT:
        return False
    alive = alive[alive < len(rows)]
    behind = int(ivf.behind(rows, alive).sum()) if ivf else len(alive)
    return behind > max(EXACT // 2, _TAIL * len(alive))


def build_ivf(rows: Rows, alive: Numbers, *, seed: int = 0) -> Ivf:
    """Cluster and fill an inverted file over the alive rows, and find how many cells must be probed for recall .95 at 10."""
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    random = np.random.default_rng(seed)
    dimensions = rows.dimensions
    cells = int(min(1024, max(64, 2 * np.sqrt(len(alive)))))
    pieces = dimensions // 2 if dimensions % 2 == 0 else dimensions
    index = faiss.index_factory(dimensions, f"IVF{cells},PQ{pieces}x4fs", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 10
    index.cp.seed = seed + 1
    sample = np.sort(random.choice(alive, min(len(alive), _SAMPLE * cells), replace=False))
    index.train(rows.of(sample))
    _add(index, rows, alive)
    return Ivf(index, int(alive[-1]), _probes(index, rows, alive, random), len(alive), rows.real)


def next_ivf(rows: Rows, alive: Numbers, ivf: Ivf | None) -> Ivf:
    """The inverted file with the rows behind it taken into its cells, or built anew when it is worn; `ivf` stays as it is."""
    behind = alive[ivf.behind(rows, alive)] if ivf else alive
    known = (
        bool(len(behind)) and ivf is not None and int(behind[0]) <= ivf.covers
    )  # by another vector: no code is replaced
    if ivf is None or known or len(alive) > 2 * ivf.clustered or ivf.index.ntotal + len(behind) > _WORN * len(alive):
        return build_ivf(rows, alive)
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    index = faiss.clone_index(ivf.index)
    _add(index, rows, behind)
    return Ivf(index, int(alive[-1]), ivf.probes, ivf.clustered, rows.real)


def _add(index: Any, rows: Rows, numbers: Numbers) -> None:
    for start in range(0, len(numbers), 20_000):
        part = numbers[start : start + 20_000]
        index.add_with_ids(rows.of(part), part)


def _probes(index: Any, rows: Rows, alive: Numbers, random: np.random.Generator) -> int:
    """The fewest probed cells, in powers of two, whose recall at 10 against the exact answer is at least .95."""
    queries = rows.of(random.choice(alive, min(100, len(alive)), replace=False))
    scores = np.full((len(queries), 0), -np.inf, dtype=np.float32)
    names = np.zeros((len(queries), 0), dtype=np.int64)
    for start in range(0, len(alive), 20_000):
        part = alive[start : start + 20_000]
        scores = np.concatenate([scores, queries @ rows.of(part).T], axis=1)
        names = np.concatenate([names, np.broadcast_to(part, (len(queries), len(part)))], axis=1)
        top = np.argpartition(-scores, 10, axis=1)[:, :10]
        scores, names = np.take_along_axis(scores, top, 1), np.take_along_axis(names, top, 1)
    exact = [set(row) for row in names.tolist()]
    probes = 4
    while probes < min(128, index.nlist):
        _, found = index.search(queries, _LIKELY, params=faiss.SearchParametersIVF(nprobe=probes))
        hits = sum(len(truth.intersection(row)) for truth, row in zip(exact, found.tolist(), strict=True))
        if hits >= _RECALL * 10 * len(queries):
            break
        probes *= 2
    return probes


def save_ivf(ivf: Ivf, folder: Path) -> None:
    """Write the index and what it covers; the small file, renamed last, is what makes it count."""
    name = f"ivf-{ivf.covers}.faiss" if ivf.real is None else f"ivf-{ivf.covers}-{_fresh(ivf.real)}.faiss"
    temporary = folder / f"{name}.new"
    try:
        faiss.write_index(ivf.index, str(temporary))
    except RuntimeError as error:  # faiss' own word for a full disk, too
        temporary.unlink(missing_ok=True)
        raise OSError(str(error).splitlines()[0]) from error
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(folder / name)
    if ivf.real is not None:
        (folder / f"{name}.real").write_bytes(ivf.real.tobytes())
    pointer = folder / "ivf.json.new"
    pointer.write_bytes(
        orjson.dumps({"file": name, "covers": ivf.covers, "probes": ivf.probes, "clustered": ivf.clustered})
    )
    pointer.replace(folder / "ivf.json")
    for old in folder.glob("ivf-*.faiss*"):
        if not old.name.startswith(name):
            old.unlink()


def _fresh(real: Flags | None) -> int:
    return 0 if real is None else int(real.sum())


def open_ivf(folder: Path, opened: Ivf | None = None) -> Ivf | None:
    """The saved index, `opened` itself when that is the one, or None when there is none that can be read (it is then rebuilt)."""
    try:
        about = orjson.loads((folder / "ivf.json").read_bytes())
        covers, probes, clustered = (int(about[name]) for name in ("covers", "probes", "clustered"))
        flags = folder / f"{about['file']}.real"
        real = np.frombuffer(flags.read_bytes(), dtype=np.bool_) if flags.exists() else None
        if opened is not None and (opened.covers, _fresh(opened.real)) == (covers, _fresh(real)):
            return opened
        return Ivf(faiss.read_index(str(folder / about["file"])), covers, probes, clustered, real)
    except (FileNotFoundError, RuntimeError, ValueError, KeyError, TypeError):
        return None
