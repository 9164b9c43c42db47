"""What a request means, over all domains: readers read it, each domain's re-ranker says how likely each hypothesis is right, and
all are put into one order. A domain without a re-ranker keeps the product of its reader's probabilities.

Source: Su and others (SLT 2018). What the caller knows of a hypothesis' slots (do they exist in the domain's catalogue?) comes in
as more local features: entity resolution as in Wang and others (NAACL 2021, industry papers).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segue.errors import InvalidInput
from segue.understand.features import PARTS, Context, segments
from segue.understand.hypotheses import Floats, Hypotheses, Interpretation
from segue.understand.merging import Merged, leading, merge
from segue.understand.readers import Readers
from segue.understand.reranker import Reranker

RERANKERS = "rerankers"
"""The folder of re-rankers, beside the readers' own folders."""

REPORTS = "reports"
"""The folder of what re-rankers were measured at, beside the readers' own folders too."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What else can be said of a request's hypotheses, in the domains that `domains` names: `resolve(domain, text, readings)`
    gives for each of the readings, which are slots [(name, words), …], a number for each of `names`. Where one of `blocks` is
    not 0, the reader's three probabilities have other weights than elsewhere: e ⊗ [log p_D, log p_I, log p_S], as of a context
    in the article. So a catalogue that knows a title may overrule a reader that does not."""

    names: tuple[str, ...]
    domains: frozenset[str]
    resolve: Callable[[str, str, Sequence[Sequence[tuple[str, str]]]], Sequence[Sequence[float]]]
    blocks: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What is added to a table's local features: `names`, then three for each block."""
        return (*self.names, *(f"{part}, {block}" for block in self.blocks for part in PARTS))


@dataclass(frozen=True, slots=True)
class Guess:
    """One hypothesis of one request, and the probability that it is right in every part."""

    domain: str
    meaning: Interpretation
    confidence: float

    def slots(self, text: str) -> dict[str, str]:
        """Name → words; of two slots of one name, both."""
        found: dict[str, str] = {}
        for slot in self.meaning.slots:
            words = text[slot.start : slot.end]
            found[slot.name] = f"{found[slot.name]}, {words}" if slot.name in found else words
        return found


@dataclass(frozen=True, slots=True)
class Interpreted:
    """Every domain's hypotheses for r requests, in the order of the domains, and how likely each is right."""

    tables: Sequence[Hypotheses]
    confidences: Sequence[Floats]
    requests: int

    def merged(self) -> Merged:
        """All of them in one order."""
        return merge(list(zip(self.tables, self.confidences, strict=True)), requests=self.requests)

    def leading(self) -> Merged:
        """The most confident of each request alone, as the first of `merged`; much sooner."""
        return leading(list(zip(self.tables, self.confidences, strict=True)), requests=self.requests)

    def guesses(self, request: int = 0, *, most: int = 3) -> dict[str, list[Guess]]:
        """Of one request, each domain's most confident hypotheses, best first, at most `most`."""
        found: dict[str, list[Guess]] = {}
        for table, confidence in zip(self.tables, self.confidences, strict=True):
            first, last = np.searchsorted(table.request, [request, request + 1]).tolist()
            order = first + np.argsort(-confidence[first:last], kind="stable")[:most]
            found[table.domain] = [
                Guess(table.domain, table.meanings[place], float(confidence[place])) for place in order.tolist()
            ]
        return found


class Interpreter:
    """Readers with each domain's re-ranker. Holds no state that a call changes: threads may share it."""

    def __init__(
        self, readers: Readers, rerankers: Mapping[str, Reranker] | None = None, *, resolution: Resolution | None = None
    ) -> None:
        """Raises `InvalidInput` for a re-ranker of a domain that no reader is of, or under another's name."""
        self.readers = readers
        self.rerankers = dict(rerankers or {})
        self._resolution = resolution
        for domain, reranker in self.rerankers.items():
            if reranker.domain != domain or domain not in readers.domains:
                raise InvalidInput(
                    f"A re-ranker of {reranker.domain!r} came for the domain {domain!r}.",
                    expected=f"one for each of: {', '.join(readers.domains)}",
                )

    @classmethod
    def open(cls, folder: Path | str, *, resolution: Resolution | None = None, threads: int = 1) -> "Interpreter":
        """The readers in `folder`, and the re-rankers that `segue train reranker` put beside them.

        Raises what `Readers.open` and `artifact.open` raise.
        """
        readers = Readers.open(folder, threads=threads)
        opened = [Reranker.open(one) for one in reranker_folders(Path(folder))]
        known = {one.domain: one for one in opened if one.domain in readers.domains}
        return cls(readers, known, resolution=resolution)

    @property
    def domains(self) -> tuple[str, ...]:
        """In alphabetical order."""
        return self.readers.domains

    def interpret(self, texts: Sequence[str], contexts: Sequence[Context] = (), *, most: int = 6) -> Interpreted:
        """Read texts, each said in one of `contexts` (none given: nothing is known of any)."""
        tables = self.readers.read(texts, most=most)
        return weigh(tables, texts, contexts or [{} for _ in texts], self.rerankers, self._resolution)


def weigh(
    tables: Sequence[Hypotheses],
    texts: Sequence[str],
    contexts: Sequence[Context],
    rerankers: Mapping[str, Reranker],
    resolution: Resolution | None = None,
) -> Interpreted:
    """How likely each hypothesis of `tables` is right: by its domain's re-ranker, or by the product where there is none.

    Raises `InvalidInput` where a re-ranker looks at other local features than the table has, resolved or not.
    """
    judged, confidences = [], []
    for table in tables:
        reranker = rerankers.get(table.domain)
        if reranker is None:
            judged.append(table)
            confidences.append(np.exp(table.logs.sum(axis=1)))
            continue
        if resolution is not None and reranker.features.local == (*table.names, *resolution.columns):
            table = resolved(table, texts, resolution)
        judged.append(table)
        confidences.append(reranker.confidences(table, contexts))
    return Interpreted(judged, confidences, len(texts))


def resolved(table: Hypotheses, texts: Sequence[str], resolution: Resolution) -> Hypotheses:
    """A table with what is known of its hypotheses as more local features: 0 in a domain that nothing is known of."""
    rows = np.zeros((len(table), len(resolution.names)))
    if table.domain in resolution.domains and len(table):
        starts = segments(table.request)
        for first, last in zip(starts.tolist(), [*starts[1:].tolist(), len(table)], strict=True):
            text = texts[table.request[first]]
            said = [
                tuple((one.name, text[one.start : one.end]) for one in table.meanings[at].slots)
                for at in range(first, last)
            ]
            different = list(dict.fromkeys(said))
            known = dict(zip(different, resolution.resolve(table.domain, text, different), strict=True))
            rows[first:last] = [known[slots] for slots in said]
    blocks = [rows[:, [resolution.names.index(block)]] * table.logs for block in resolution.blocks]
    return replace(table, local=np.hstack([table.local, rows, *blocks]), names=(*table.names, *resolution.columns))


def reranker_folders(folder: Path) -> list[Path]:
    """The folders of re-rankers in a folder of readers; what is half-written begins with a dot and is passed over."""
    inside = folder / RERANKERS
    if not inside.is_dir():
        return []
    return sorted(one for one in inside.iterdir() if (one / "manifest.json").exists() and one.name[0] != ".")
