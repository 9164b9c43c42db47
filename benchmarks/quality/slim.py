"""How cheap can a query be on the index of a big encoder?

Question: msrd's 9,750 films are embedded once by MiniLM (22.7 M parameters). Which share of the paragon's nDCG@10 (queries by
MiniLM as well) does a small query tower keep on that index, at what price, and is it better there than on an index of its own?
Arms: a static token table (a vector a token, learned weights), untrained (MiniLM's vector of each token alone, weighted by
rarity) and trained; the best tower of one and of two transformer blocks; the towers that evolution finds in the whole space under
the cap, rewarded by R1 = M(q, q), R2 = M(q, g) and R1 · R2 (Duggal et al. 2021); MiniLM in int8. Every tower is trained anew,
with the same steps, rates and data, by its own contrastive loss and the frozen gallery's; each is measured on MiniLM's index and
on one that it makes itself. Baseline: the tower of R1 · R2 trained by its own loss alone, on its own index. All begin from
MiniLM's vectors of single tokens.
Learned from: texts that are made from the catalogue (title, title and year, with an actor, with a character, a sentence) and the
training queries; their judgements are used by the own loss only. Split: by the title that a query names, sequels together, 60 %
training, 15 % validation (rewards), 25 % test (see `benchmarks.films`). The tables' rate was chosen on validation, of two;
losses and steps were set, not compared.
Cost: multiply-adds of a query of the usual length, at most a fiftieth of MiniLM's; microseconds of one query through tokenizer
and onnxruntime, one thread's own time, every arm in turn for the same queries, as a ratio to MiniLM in float32 served alike.
Claim: 50 times cheaper at .93 of the paragon's nDCG@10 or more; better on the big model's index than on its own; R1 · R2 no worse
than R1. Intervals: paired bootstrap over test queries of the mean of the seeds, 95 %.

    python -m benchmarks.quality.slim [--data DIR] [--seeds N] [--work DIR] [--out DIR]

Resumable: every super-net, search and trained tower leaves a file in --work. Seeds are run one after the other.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: a query is served by one thread
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import matplotlib
import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import torch
from matplotlib import pyplot
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.films import Films, Floats, Part, asked_in_all, films, kept
from benchmarks.record import publish
from benchmarks.runs import arguments, finished, run_all
from segue.encode.export import export, to_onnx
from segue.encode.pretrained import TorchEncoder, minilm
from segue.encode.quantised import OnnxEncoder
from segue.encode.tokenizer import Tokenizer
from segue.encode.transformer import pool
from segue.evolve.slim import query_encoder
from segue.evolve.slim.architecture import Architecture, Space, encoder_multiply_adds, multiply_adds
from segue.evolve.slim.architecture_search import evolve
from segue.evolve.slim.supernet import SuperNet
from segue.evolve.slim.tower import Tower
from segue.evolve.slim.training import Batch, Rates, train, train_supernet

SPACE = Space(width=(32, 64, 128, 256, 384))
STATIC = Architecture(384)
REWARDS: dict[str, Callable[[float, float], float]] = {
    "R1": lambda own, big: own,
    "R2": lambda own, big: big,
    "R1 · R2": lambda own, big: own * big,
}
PARAGON, INT8, UNTRAINED, OWN = "MiniLM", "MiniLM, int8", "static table, untrained", "searched, R1 · R2, own loss"
SEARCHED = {f"searched, {name}": name for name in REWARDS}
DEPTHS = {"best of 1 block": 1, "best of 2 blocks": 2}
CAP = 50
"""How many times fewer multiply-adds than MiniLM a tower may have."""

_LONGEST, _ITEM = 64, 24
"""Tokens that a tower reads, and those of an item while it learns and where a reward is measured."""

_RATES = Rates()
_TEXTS, _OWN, _GALLERY = 192, 96, 1024
"""Of a batch: texts, half of them training queries and half made up; those whose items are read for the tower's own loss, half of
either too; and gallery vectors in the softmax, beside those of the items."""

_REWARDED, _AMONG = 800, 1500
"""Validation queries and films that a reward is measured on."""

_DRAWS = 2000
T = TypeVar("T")
Job = tuple[str, str, int]
"""What is done ("search", "train", "own loss", "untrained"), with which architecture if one, and the seed."""


class Data:
    """The films, their vectors and tokens, made once and kept in --work."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.films: Films = films(chosen.data / "msrd", most=chosen.films)
        self._chosen = chosen
        self._work = chosen.work / ("all" if chosen.films is None else str(chosen.films))

    @cached_property
    def big(self) -> TorchEncoder:
        return minilm()

    @cached_property
    def int8(self) -> OnnxEncoder:
        folder = self._work / "minilm"
        if not folder.exists():
            export(self.big, folder, name="minilm")
        return OnnxEncoder.open(folder)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer(self.big.tokenizer.definition, longest=_LONGEST)

    @cached_property
    def gallery(self) -> Floats:
        return kept(self._work / "gallery.npy", lambda: self.big.encode(self.films.texts))

    @cached_property
    def asked(self) -> dict[str, Floats]:
        """What MiniLM makes of each part's queries."""
        return self._by_part(kept(self._work / "queries.npy", lambda: self.big.encode(asked_in_all(self.films.parts))))

    @cached_property
    def asked_int8(self) -> dict[str, Floats]:
        whole = kept(self._work / "queries-int8.npy", lambda: self.int8.encode(asked_in_all(self.films.parts)))
        return self._by_part(whole)

    @cached_property
    def made_up(self) -> Floats:
        """What MiniLM in int8 makes of the texts made up: they teach only."""
        return kept(self._work / "made_up.npy", lambda: self.int8.encode(self.films.made_up))

    @cached_property
    def tokens(self) -> Floats:
        """What MiniLM makes of each token alone, between the two special ones; in a small run, only of those that occur."""
        ids = np.arange(self.tokenizer.vocabulary)
        if self._chosen.films is not None:
            ids = np.unique(np.concatenate([*self.ids["made up"], *self.ids["train"]]))
        rows = torch.tensor([[101, one, 102] for one in ids.tolist()])

        def make() -> Floats:
            vectors = np.zeros((self.tokenizer.vocabulary, self.big.dimensions), dtype=np.float32)
            with torch.inference_mode():
                for some in np.array_split(np.arange(len(ids)), max(1, len(ids) // 128)):
                    vectors[ids[some]] = pool(self.big.transformer(rows[some])).numpy()
            return vectors

        return kept(self._work / "tokens.npy", make)

    @cached_property
    def ids(self) -> dict[str, list[list[int]]]:
        """Of every part's queries, the texts made up and the films."""
        parts = {name: part.queries for name, part in self.films.parts.items()}
        every = {**parts, "made up": self.films.made_up, "films": self.films.texts}
        return {name: self.tokenizer.tokenize(texts) for name, texts in every.items()}

    @cached_property
    def importance(self) -> Tensor:
        """log of a / (a + the token's share), a = .001 (Arora et al. 2017), over the catalogue and the training queries."""
        counts = np.ones(self.tokenizer.vocabulary)
        for name in ("train", "made up", "films"):
            counts += np.bincount(np.concatenate(self.ids[name]), minlength=len(counts))
        return torch.tensor(np.log(0.001 / (0.001 + counts / counts.sum())), dtype=torch.float32)

    @cached_property
    def usual(self) -> int:
        """Tokens of a training query, on average."""
        return round(float(np.mean([len(one) for one in self.ids["train"]])))

    def cost(self, architecture: Architecture) -> float:
        return multiply_adds(architecture, tokens=self.usual, dimensions=self.big.dimensions)

    @cached_property
    def paragon_cost(self) -> int:
        shape = self.big.transformer.shape
        return encoder_multiply_adds(tokens=self.usual, width=shape.width, inner=shape.inner, blocks=shape.blocks)

    def affordable(self, architecture: Architecture) -> bool:
        return self.cost(architecture) <= self.paragon_cost / CAP

    def _by_part(self, whole: Floats) -> dict[str, Floats]:
        sizes = [len(part.queries) for part in self.films.parts.values()]
        return dict(zip(self.films.parts, np.split(whole, np.cumsum(sizes)[:-1]), strict=True))


def padded(rows: Sequence[Sequence[int]], *, longest: int = _LONGEST) -> tuple[Tensor, Tensor]:
    """Ids and mask of a batch, cut after `longest`.

    >>> padded([[1, 2, 3], [4]], longest=2)[1].tolist()
    [[1, 1], [1, 0]]
    """
    cut = [torch.tensor(row[:longest]) for row in rows]
    ids = torch.nn.utils.rnn.pad_sequence(cut, batch_first=True)
    lengths = torch.tensor([len(row) for row in cut])
    return ids, (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()


def batches(data: Data, seed: int) -> Iterator[Batch]:
    """Without end; the same for every arm of a seed."""
    random = np.random.default_rng([seed, 1])
    train, made_up = data.films.parts["train"], data.films.made_up
    gallery, asked, made = (torch.from_numpy(one) for one in (data.gallery, data.asked["train"], data.made_up))
    relevant = [[film for film, grade in grades.items() if grade > 0] for grades in train.grades]
    while True:
        mine = random.integers(len(train.queries), size=_TEXTS // 2)
        theirs = random.integers(len(made_up), size=_TEXTS // 2)
        wanted = [relevant[one][int(random.integers(len(relevant[one])))] for one in mine.tolist()]
        about = _in_turn(wanted, data.films.about[theirs].tolist())
        ids, mask = padded(
            _in_turn([data.ids["train"][one] for one in mine], [data.ids["made up"][one] for one in theirs])
        )
        teacher = torch.stack([asked[mine], made[theirs]], dim=1).flatten(0, 1)
        items = padded([data.ids["films"][one] for one in about[:_OWN]], longest=_ITEM)
        others = random.choice(len(gallery), min(_GALLERY, len(gallery)), replace=False)
        rows = np.unique(np.concatenate([others, about]))
        yield Batch(ids, mask, teacher, gallery[rows], *items, torch.tensor(about[:_OWN]))


def _in_turn(first: Sequence[T], second: Sequence[T]) -> list[T]:
    """One of each after the other.

    >>> _in_turn([1, 2], [10, 20])
    [1, 10, 2, 20]
    """
    return [one for both in zip(first, second, strict=True) for one in both]


@torch.inference_mode()
def embedded(embed: Callable[[Tensor, Tensor], Tensor], rows: Sequence[Sequence[int]], *, longest: int) -> Floats:
    """Vectors of many texts, in batches of like lengths."""
    order = np.argsort([len(row) for row in rows], kind="stable")
    found = [
        embed(*padded([rows[one] for one in some], longest=longest)).numpy()
        for some in np.array_split(order, max(1, len(order) // 128))
    ]
    vectors: Floats = np.empty((len(rows), found[0].shape[1]), dtype=np.float32)
    vectors[order] = np.concatenate(found)
    return vectors


def ndcg(
    queries: Floats, gallery: Floats, grades: Sequence[Mapping[int, float]], *, k: int = 10
) -> NDArray[np.float64]:
    """nDCG@k of each query, [n]: as `segue.rank.measures.ndcg`, over all queries at once."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    found = []
    for some in np.array_split(np.arange(len(queries)), max(1, len(queries) // 512)):
        scores = queries[some] @ gallery.T
        top = np.argpartition(-scores, k, axis=1)[:, :k]
        top = np.take_along_axis(
            top, np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable"), axis=1
        )
        for query, ranked in zip(some.tolist(), top.tolist(), strict=True):
            of = grades[query]
            best = sorted(of.values(), reverse=True)[:k]
            gains = 2.0 ** np.array([of.get(film, 0.0) for film in ranked]) - 1
            found.append(float(gains @ discounts) / float((2.0 ** np.array(best) - 1) @ discounts[: len(best)]))
    return np.array(found)


# -- runs -------------------------------------------------------------------------------------------------------------

_data: dict[str, Data] = {}


def data_of(chosen: argparse.Namespace) -> Data:
    """Read once a process."""
    return _data.setdefault(f"{chosen.data} {chosen.films}", Data(chosen))


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """What is kept of a job, and a line about it."""
    torch.set_num_threads(1)
    started = time.process_time()
    what, name, seed = job
    torch.manual_seed(seed)
    data = data_of(chosen)
    made = search(data, seed, chosen) if what == "search" else trained(data, what, SPACE_BY_KEY[name], seed, chosen)
    seconds = round(time.process_time() - started, 1)
    return {"seconds": seconds, **made}, f"{seconds:.0f} s {made.get('line', '')}"


def key(architecture: Architecture) -> str:
    """A name for files.

    >>> key(Architecture(128, depth=1, heads=4, inner=2, window=3, pairs=True))
    '128-1-4-2-3-1-1'
    """
    return "-".join(str(int(value)) for value in asdict(architecture).values())


SPACE_BY_KEY = {key(one): one for one in SPACE}


def begun(data: Data, space: Space, seed: int) -> SuperNet:
    torch.manual_seed(seed)
    net = SuperNet(space, vocabulary=data.tokenizer.vocabulary, dimensions=data.big.dimensions, longest=_LONGEST)
    net.begin(torch.from_numpy(data.tokens), data.importance)
    return net


def super_net(data: Data, seed: int, chosen: argparse.Namespace) -> SuperNet:
    """All paths that are cheap enough, trained; its weights are kept."""
    net = begun(data, SPACE, seed)
    if not (file := _weights(seed, chosen)).exists():
        random = np.random.default_rng([seed, 2])
        train_supernet(
            net, batches(data, seed), steps=chosen.super_steps, rates=_RATES, random=random, affordable=data.affordable
        )
        torch.save(net.state_dict(), file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)
    net.load_state_dict(torch.load(file, weights_only=True))
    return net


def search(data: Data, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Every reward's best, and the best of each depth by R1 · R2; what a path was worth is measured once."""
    worth = Worth(data, super_net(data, seed, chosen))
    spaces = {name: (SPACE, REWARDS[reward]) for name, reward in SEARCHED.items()}
    spaces |= {name: (_with_depth(depth), REWARDS["R1 · R2"]) for name, depth in DEPTHS.items()}
    best = {}
    for name, (space, reward) in spaces.items():
        found = evolve(
            space,
            lambda one, reward=reward: reward(*worth(one)),  # type: ignore[misc]
            cost=data.cost,
            cap=data.paragon_cost / CAP,
            random=np.random.default_rng([seed, 3]),
            population=chosen.population,
            generations=chosen.generations,
            parents=max(1, chosen.population // 3),
        )
        best[name] = key(found.best)
    return {"best": best, "worth": {key(one): value for one, value in worth.known.items()}, "line": str(best)}


def _with_depth(depth: int) -> Space:
    return Space(width=SPACE.width, depth=(depth,))


class Worth:
    """M(q, q) and M(q, g) of a path by the super-net's weights: nDCG@10 of validation queries among some of the films."""

    def __init__(self, data: Data, net: SuperNet) -> None:
        self.known: dict[Architecture, tuple[float, float]] = {}
        self._net = net
        part = data.films.parts["validation"]
        random = np.random.default_rng(0)
        queries = random.permutation(len(part.queries))[:_REWARDED].tolist()
        relevant = {film for one in queries for film, grade in part.grades[one].items() if grade > 0}
        rest = [film for film in random.permutation(len(data.gallery)).tolist() if film not in relevant]
        among = [*sorted(relevant), *rest][: max(_AMONG, len(relevant))]
        place = {film: row for row, film in enumerate(among)}
        self._gallery = data.gallery[among]
        self._grades = [
            {place[film]: grade for film, grade in part.grades[one].items() if film in place} for one in queries
        ]
        self._queries = [data.ids["validation"][one] for one in queries]
        self._items = [data.ids["films"][one] for one in among]

    def __call__(self, architecture: Architecture) -> tuple[float, float]:
        if architecture not in self.known:
            embed = self._net.cut(architecture).eval()
            queries = embedded(embed, self._queries, longest=_LONGEST)
            items = embedded(embed, self._items, longest=_ITEM)
            own, big = (float(ndcg(queries, one, self._grades).mean()) for one in (items, self._gallery))
            self.known[architecture] = own, big
        return self.known[architecture]


def trained(data: Data, how: str, architecture: Architecture, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Train one tower from the beginning; its nDCG@10 of every test query on MiniLM's index and on its own."""
    tower = begun(data, _only(architecture), seed).cut(architecture)
    if how != "untrained":
        compatibility = 0.0 if how == "own loss" else 1.0
        train(tower, batches(data, seed), steps=chosen.steps, rates=_RATES, compatibility=compatibility)
    found = measured(data, tower.eval())
    if chosen.keep_towers:
        folder = chosen.work / "towers" / f"{how}-{key(architecture)}-{seed}"
        query_encoder.export(tower, data.tokenizer, folder, name=how, gallery=data.big.fingerprint)
    means = {
        part: {where: round(float(np.mean(row)), 4) for where, row in rows.items()} for part, rows in found.items()
    }
    return {"test": found["test"], "validation": means["validation"], "line": str(means)}


def _only(architecture: Architecture) -> Space:
    return Space(*((value,) for value in asdict(architecture).values()))


def measured(data: Data, tower: Tower) -> dict[str, dict[str, list[float]]]:
    """nDCG@10 of each query of validation and test, on MiniLM's index and on the tower's own."""
    indexes = {"big": data.gallery, "own": embedded(tower, data.ids["films"], longest=_LONGEST)}
    found: dict[str, dict[str, list[float]]] = {}
    for part in ("validation", "test"):
        queries = embedded(tower, data.ids[part], longest=_LONGEST)
        grades = data.films.parts[part].grades
        found[part] = {where: ndcg(queries, index, grades).round(5).tolist() for where, index in indexes.items()}
    return found


def _weights(seed: int, chosen: argparse.Namespace) -> Path:
    chosen.work.mkdir(parents=True, exist_ok=True)
    return Path(chosen.work / f"supernet-{seed}-{chosen.super_steps}-{chosen.films}.pt")


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    what, name, seed = job
    steps = {"search": f"{chosen.super_steps}-{chosen.population}-{chosen.generations}"}
    parts = [what.replace(" ", "-"), name, str(seed), str(steps.get(what, chosen.steps)), str(chosen.films)]
    return Path(chosen.work / f"{'-'.join(part for part in parts if part)}.json")


# -- what it comes to -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arm:
    """nDCG@10 by seed and test query on MiniLM's index and on its own, [seeds, queries] (the paragon's own is MiniLM's), and the
    architecture of each seed."""

    big: NDArray[np.float64]
    own: NDArray[np.float64] | None
    architectures: tuple[str, ...] = ()


def arms_of(seeds: int, data: Data, chosen: argparse.Namespace) -> dict[str, Arm]:
    """Every arm whose every seed is done."""
    found: dict[str, Arm] = {}
    part: Part = data.films.parts["test"]
    for name, queries in ((PARAGON, data.asked), (INT8, data.asked_int8)):
        found[name] = Arm(ndcg(queries["test"], data.gallery, part.grades)[None], None)
    for name, jobs in training_jobs(seeds, chosen).items():
        done = [result["test"] for _, result in finished(jobs, run_file, chosen)]
        if jobs and len(done) == len(jobs):
            big, own = (np.array([one[where] for one in done]) for where in ("big", "own"))
            found[name] = Arm(big, own, tuple(job[1] for job in jobs))
    return found


def training_jobs(seeds: int, chosen: argparse.Namespace) -> dict[str, list[Job]]:
    """Arm → its jobs, of the seeds whose search is done."""
    best = {job[2]: done["best"] for job, done in finished(search_jobs(seeds), run_file, chosen)}
    jobs: dict[str, list[Job]] = {
        UNTRAINED: [("untrained", key(STATIC), 0)],
        "static table": [("train", key(STATIC), seed) for seed in range(seeds)],
    }
    for name in (*DEPTHS, *SEARCHED):
        jobs[name] = [("train", best[seed][name], seed) for seed in sorted(best)]
    jobs[OWN] = [("own loss", best[seed]["searched, R1 · R2"], seed) for seed in sorted(best)]
    return jobs


def jobs_of(seeds: int, chosen: argparse.Namespace) -> list[Job]:
    """All trainings, each once: two searches may find the same tower."""
    return list(dict.fromkeys(job for of in training_jobs(seeds, chosen).values() for job in of))


def search_jobs(seeds: int) -> list[Job]:
    return [("search", "", seed) for seed in range(seeds)]


def microseconds(architectures: Sequence[str], data: Data, *, rounds: int) -> dict[str, list[float]]:
    """Processor time of single queries, through tokenizer and onnxruntime on one thread: `rounds` times each arm in turn answers
    the same 20 queries. The thread's own time, as other work on the machine would lengthen the longer call more."""
    session = _session(to_onnx(data.big).SerializeToString())
    arms: dict[str, Callable[[Sequence[str]], Any]] = {
        PARAGON: OnnxEncoder(session, data.big.tokenizer, dimensions=data.big.dimensions, fingerprint="").encode,
        "MiniLM, torch": data.big.encode,
        INT8: data.int8.encode,
    }
    for name in dict.fromkeys(architectures):
        tower = begun(data, _only(SPACE_BY_KEY[name]), 0).cut(SPACE_BY_KEY[name])
        graph = _session(query_encoder.to_onnx(tower).SerializeToString())
        arms[name] = OnnxEncoder(graph, data.tokenizer, dimensions=data.big.dimensions, fingerprint="").encode
    queries = data.films.parts["test"].queries
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(rounds):
        asked = [queries[(20 * number + place) % len(queries)] for place in range(20)]
        for name, encode in arms.items():
            encode(asked[:1])
            for query in asked:
                started = time.thread_time()
                encode([query])
                taken[name].append((time.thread_time() - started) * 1e6)
    return taken


def _session(graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def summary(arms: Mapping[str, Arm], data: Data, taken: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    paragon = arms[PARAGON].big
    rows = {}
    for name, arm in arms.items():
        row: dict[str, Any] = {"nDCG@10": estimate(arm.big), "of the paragon": estimate(arm.big, of=paragon)}
        row["by seed"] = arm.big.mean(axis=1).round(4).tolist()
        if arm.own is not None:
            row["own index"] = {**estimate(arm.own), "by seed": arm.own.mean(axis=1).round(4).tolist()}
            row["big over own index"] = estimate(arm.big, less=arm.own)
        if name in arms and arm.architectures:
            costs = [data.cost(SPACE_BY_KEY[one]) for one in arm.architectures]
            times = [taken[one] for one in arm.architectures]
            row["architectures"] = [asdict(SPACE_BY_KEY[one]) for one in arm.architectures]
        else:
            costs, times = [data.paragon_cost], [taken[name]]
        row["multiply-adds"] = float(np.mean(costs))
        row["fewer multiply-adds"] = round(float(np.mean([data.paragon_cost / one for one in costs])), 1)
        row["microseconds"] = round(float(np.mean([np.median(one) for one in times])), 1)
        row["faster"] = round(float(np.mean([np.median(taken[PARAGON]) / np.median(one) for one in times])), 1)
        rows[name] = row
    differences = {}
    for better, worse in (("searched, R1 · R2", "searched, R1"), ("searched, R1 · R2", "searched, R2")):
        if better in arms and worse in arms:
            differences[f"{better} − {worse}"] = estimate(arms[better].big, less=arms[worse].big)
    if "searched, R1 · R2" in arms and OWN in arms and (alone := arms[OWN].own) is not None:
        differences["small on big − small on small, own loss"] = estimate(arms["searched, R1 · R2"].big, less=alone)
    return {"arms": rows, "differences": differences}


def estimate(
    values: NDArray[np.float64], *, of: NDArray[np.float64] | None = None, less: NDArray[np.float64] | None = None
) -> dict[str, Any]:
    """The mean of seeds and queries, [seeds, queries], as a share `of` others' or `less` others', with its interval."""
    mine = values.mean(axis=0)
    draws = np.random.default_rng(0).integers(len(mine), size=(_DRAWS, len(mine)))
    if less is not None:
        mine = mine - less.mean(axis=0)
    value, drawn = mine.mean(), mine[draws].mean(axis=1)
    if of is not None:
        under = of.mean(axis=0)
        value, drawn = value / under.mean(), drawn / under[draws].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": round(float(value), 4), "interval": [round(float(low), 4), round(float(high), 4)]}


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table with a row for each arm."""
    lines = [
        "| queries by | fewer multiply-adds | faster | µs | nDCG@10 on MiniLM's index (by seed) | of the paragon (95 %) "
        "| on its own index | big over own index (95 %) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["arms"].items():
        seeds = f" ({', '.join(f'{one:.3f}' for one in row['by seed'])})" if len(row["by seed"]) > 1 else ""
        own = f"{row['own index']['value']:.3f}" if "own index" in row else ""
        more = _shown(row["big over own index"], sign="+") if "big over own index" in row else ""
        lines.append(
            f"| {name} | {row['fewer multiply-adds']:.0f}× | {row['faster']:.1f}× | {row['microseconds']:.0f} | "
            f"{row['nDCG@10']['value']:.3f}{seeds} | {_shown(row['of the paragon'])} | {own} | {more} |"
        )
    lines.append("")
    lines += [f"{name}: {_shown(one, sign='+')}." for name, one in result["differences"].items()]
    lines.append(
        f"\n{result['queries']['test']:,} test queries over {result['films']:,} films; a usual query has {result['tokens']} "
        f"tokens. Processor seconds a seed: {result['seconds']['a seed']:.0f}."
    )
    return "\n".join(lines)


def _shown(one: Mapping[str, Any], *, sign: str = "") -> str:
    low, high = one["interval"]
    return f"{one['value']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def draw(result: Mapping[str, Any], file: Path) -> None:
    """nDCG@10 over microseconds, on MiniLM's index and on the tower's own."""
    matplotlib.use("Agg")
    figure, panel = pyplot.subplots(figsize=(7.5, 4.6))
    for name, row in result["arms"].items():
        (line,) = panel.plot(row["microseconds"], row["nDCG@10"]["value"], "o", label=name)
        if "own index" in row:
            panel.plot(row["microseconds"], row["own index"]["value"], "x", color=line.get_color())
    level = result["arms"][PARAGON]["nDCG@10"]["value"]
    panel.axhline(0.93 * level, color="grey", linewidth=0.8, linestyle=":")
    panel.annotate(".93 of the paragon", (1, 0.93 * level), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    panel.set(xscale="log", xlabel="µs a query, one thread", ylabel="nDCG@10  (o on MiniLM's index, × on its own)")
    panel.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    options = arguments(__doc__, data="msrd/", collections=(), work="/tmp/segue-slim")
    options.add_argument("--films", type=int, help="only so many films, and their queries")
    options.add_argument("--super-steps", type=int, default=300, help="of the super-net")
    options.add_argument("--steps", type=int, default=200, help="of each tower")
    options.add_argument("--population", type=int, default=12)
    options.add_argument("--generations", type=int, default=4)
    options.add_argument("--rounds", type=int, default=20, help="each of 20 queries that are timed")
    options.add_argument("--keep-towers", action="store_true", help="export every trained tower to --work")
    chosen = options.parse_args()
    for seed in range(chosen.seeds):
        run_all([("search", "", seed)], one_run, run_file, chosen)
        run_all(jobs_of(seed + 1, chosen), one_run, run_file, chosen)
    data = data_of(chosen)
    arms = arms_of(chosen.seeds, data, chosen)
    names = [one for arm in arms.values() for one in arm.architectures]
    done = [*search_jobs(chosen.seeds), *jobs_of(chosen.seeds, chosen)]
    seconds = {f"{job[0]} {job[1]} {job[2]}": result["seconds"] for job, result in finished(done, run_file, chosen)}
    result = {
        **summary(arms, data, microseconds(names, data, rounds=chosen.rounds)),
        "queries": {name: len(part.queries) for name, part in data.films.parts.items()},
        "films": len(data.films.texts),
        "tokens": data.usual,
        "settings": {
            "seeds": chosen.seeds,
            "super-net's steps": chosen.super_steps,
            "steps": chosen.steps,
            "population": chosen.population,
            "generations": chosen.generations,
            "rates": asdict(_RATES),
        },
        "seconds": {"a seed": round(sum(seconds.values()) / chosen.seeds, 1), "by job": seconds},
    }
    publish("slim", result, chosen.out, table=as_table, draw=draw)


if __name__ == "__main__":
    main()
