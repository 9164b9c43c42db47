"""The domains of a store: their catalogues, and what a request means in each."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segue import artifact
from segue.encode.encoder import Encoder
from segue.errors import Corrupt, InvalidInput, NotFound, SegueError
from segue.evolve.flips import flips
from segue.live_readers import LiveReaders
from segue.records import Hypothesis, Request
from segue.resolution import looked_up, resolution, searched, settled
from segue.retrieve.catalogue import Catalogue, Document, Snapshot
from segue.retrieve.evidence import FEATURES, evidence
from segue.retrieve.memory import Memory
from segue.retrieve.query import Encode, Query
from segue.retrieve.readings import NEGATIONS, barely_read
from segue.store import Store
from segue.understand.calibration import expected_calibration_error
from segue.understand.choice import CUES, Choice, features, fit, untrained
from segue.understand.interpreter import Guess
from segue.understand.language import Spoken, listen

logger = logging.getLogger(__name__)

_EXAMPLES = 1000
"""Requests made from titles to fit the choice."""

_SIZE = 0.5
"""A domain is asked for in proportion to its size to this power: between all domains alike (0) and all items alike (1)."""

_PRIOR = 2.0
"""How many weighted actions the confidences are worth against what people took."""

_SURE = 0.5
"""A reader's slots are searched for when they are likelier right than not."""


@dataclass(frozen=True, slots=True)
class Understood:
    """A request in one domain: the hypothesis, the query to search with, and the catalogue as it is now."""

    hypothesis: Hypothesis
    query: Query
    catalogue: Snapshot


@dataclass(frozen=True, slots=True)
class Meant:
    """A request over all domains. `hypotheses` has one a domain, the likeliest first, and `understood` those of them that have a
    catalogue; `held`: what was asked is, whole, a title of one of these; `about` says how it came about, as plain data."""

    hypotheses: tuple[Hypothesis, ...]
    understood: list[Understood]
    held: bool
    about: Mapping[str, Any]


NOTHING = Meant((), [], False, {})
"""A request that no domain with a catalogue was asked about."""


class Domains:
    """The opened catalogues of a store, and the fitted choice between them."""

    def __init__(self, store: Store, encoder: Encoder) -> None:
        self._store = store
        self.encoder = encoder
        self._catalogues = {name: Catalogue(name, store.domain(name), encoder) for name in store.domains()}
        self._choice = untrained(len(FEATURES))
        self._chosen: Path | None = None
        self._live = LiveReaders(store)
        try:
            self._choice = self._open_choice()
        except SegueError as error:
            logger.warning("the choice between domains is fitted anew: %s", error)
            self.fit_choice()

    def close(self) -> None:
        for catalogue in self._catalogues.values():
            catalogue.close()

    def names(self) -> list[str]:
        """Domains that hold at least one item, sorted."""
        return sorted(name for name, catalogue in self._catalogues.items() if len(catalogue.snapshot))

    @property
    def readers(self) -> LiveReaders:
        """What of readers and re-rankers is live."""
        return self._live

    def get(self, name: str) -> Catalogue:
        """Raises `NotFound` for a domain that is not there."""
        if name not in self._catalogues:
            there = ", ".join(sorted(self._catalogues)) or "none yet"
            raise NotFound(
                f"There is no domain {name!r}.", expected=f"one of: {there}", fix="index something into it first"
            )
        return self._catalogues[name]

    def get_or_create(self, name: str) -> Catalogue:
        folder = self._store.domain(name)
        if name not in self._catalogues:
            self._catalogues[name] = Catalogue(name, folder, self.encoder)
        return self._catalogues[name]

    def drop_blank(self, name: str) -> None:
        """Forget a domain that nothing was ever put into, so that a refused file leaves nothing behind."""
        if self._catalogues[name].blank:
            self._catalogues.pop(name).close()
            shutil.rmtree(self._store.domain(name))

    def fields(self, name: str, id: str) -> dict[str, Any]:
        """An item's own columns as they are now; nothing when it is gone."""
        if name not in self._catalogues:
            return {}
        snapshot = self._catalogues[name].snapshot
        numbers = list(snapshot.numbers_of([id]).values())
        return snapshot.documents(numbers)[numbers[0]].fields() if numbers else {}

    def refresh(self) -> None:
        """Take up what other processes have indexed, and what went live."""
        self._live.refresh()
        for name in self._store.domains():
            if name not in self._catalogues:
                self._catalogues[name] = Catalogue(name, self._store.domain(name), self.encoder)
            else:
                self._catalogues[name].refresh()
        if self._store.live("choice") != self._chosen:
            self._choice = self._open_choice()

    def use(self, encoder: Encoder) -> None:
        """Search and embed by another encoder from now on; requests that are under way end as they began."""
        self.encoder = encoder
        for catalogue in self._catalogues.values():
            catalogue.use(encoder)

    def understand(self, request: Request, memory: Memory) -> list[Understood]:
        """The request's hypothesis in every domain that has a catalogue, or in the one it names; the likeliest first."""
        return self.meant(request, memory).understood

    def meant(self, request: Request, memory: Memory) -> Meant:
        """What the request means: by the live readers and re-rankers, when every domain that holds something has a reader; else
        by the fitted choice. A domain that was retired is left out, unless the request names it.

        What people took for the same words before counts as choices observed: the confidences are the mean of a Dirichlet
        posterior whose prior, worth `_PRIOR` weighted actions, is the confidence of each domain's best hypothesis.

        Raises `NotFound` when the domain is not there or nothing has been indexed.
        """
        asked = self._to_ask() if request.domain is None else [request.domain]
        catalogues = [self.get(name).snapshot for name in asked if name in self._catalogues]
        spoken = listen(request.text)
        queries = _asked(request, spoken, catalogues)
        guesses, about = self._guesses(request, asked, queries, catalogues)
        if not guesses:
            catalogues = [self.get(name).snapshot for name in asked]
        if not any(map(len, catalogues)) and not guesses:
            raise NotFound("Nothing has been indexed yet.", fix="run: segue index FILE --domain NAME --store DIR")
        asked = [one.domain for one in catalogues]
        if guesses:
            queries = [_named(query, one, guesses[one.domain]) for query, one in zip(queries, catalogues, strict=True)]
            # Those that have a catalogue stand first, and so among equals.
            best = [guesses[name][0] for name in (*asked, *(name for name in guesses if name not in asked))]
            prior = np.array([1.0 if request.domain is not None else one.confidence for one in best])
            hypotheses = [_read(request.text, one) for one in best]
        else:
            prior = self._choice.probabilities(_described(queries, spoken, catalogues))
            hypotheses = [_hypothesis(spoken, *pair) for pair in zip(queries, catalogues, strict=True)]
        taken = np.zeros(len(hypotheses))
        taken[: len(asked)] = [memory.taken_for(name, query.text) for name, query in zip(asked, queries, strict=True)]
        shares = (_PRIOR * prior + taken) / (_PRIOR + taken.sum())
        found = [replace(one, confidence=share) for one, share in zip(hypotheses, shares.tolist(), strict=True)]
        order = np.argsort(-shares, kind="stable").tolist()
        understood = [Understood(found[at], queries[at], catalogues[at]) for at in order if at < len(asked)]
        if request.domain is None and self._live.retired:
            about["retired"] = sorted(self._live.retired)
        held = any(one.catalogue.text.holds_title(one.query.text) for one in understood)
        return Meant(tuple(found[at] for at in order), understood, held, about)

    def _to_ask(self) -> list[str]:
        """The domains to ask when a request names none. Raises `NotFound` when all of them are retired."""
        names, retired = self.names(), self._live.retired
        asked = [name for name in names if name not in retired]
        if names and not asked and not self._live.domains:
            raise NotFound(
                f"All domains are retired: {', '.join(names)}.",
                expected="one that is not, or a request that names one",
                fix=f"segue restore reader --domain {names[0]} --store DIR",
            )
        return asked

    def _guesses(
        self, request: Request, asked: Sequence[str], queries: Sequence[Query], catalogues: Sequence[Snapshot]
    ) -> tuple[dict[str, list[Guess]], dict[str, Any]]:
        """Each domain's best hypotheses by the live readers, none where they do not know every domain; and what to say of it."""
        without = [name for name in asked if name not in self._live.domains]
        if not self._live.domains or without:
            return {}, {"by": "choice"} | ({"without a reader": without} if self._live.domains else {})
        made = {catalogue.domain: query for catalogue, query in zip(catalogues, queries, strict=True)}
        known = resolution({one.domain: one for one in catalogues}, lambda text, catalogue: made[catalogue.domain])
        try:
            interpreter = self._live.interpreter(known)
            found = interpreter.interpret([request.text], [request.context]).guesses() if interpreter else {}
        except SegueError as error:
            logger.warning("the readers cannot be used, the choice between domains is: %s", error)
            return {}, {"by": "choice", "error": str(error)}
        if request.domain is not None:
            found = {request.domain: found[request.domain]}
        found = {name: guesses for name, guesses in found.items() if guesses}
        if any(name not in found for name in asked):
            return {}, {"by": "choice"}
        about = {"by": "readers", "read": _as_data(found, request.text)}
        return settled(found, queries, catalogues), about

    def fit_choice(self, *, seed: int = 0) -> dict[str, float]:
        """Fit the choice between domains on requests made from their own titles; returns how it did on a held-out fifth."""
        names = self.names()
        if len(names) < 2:
            return {}
        examples, right = _examples([self._catalogues[name].snapshot for name in names], seed)
        held_out = np.arange(len(right)) % 5 == 0
        choice = fit(examples[~held_out], right[~held_out])
        shares, correct = _judged(choice, examples[held_out], right[held_out])
        _, before = _judged(self._choice, examples[held_out], right[held_out])
        measured = {
            "accuracy": float(correct.mean()),
            "expected calibration error": expected_calibration_error(shares.max(axis=1), correct),
            "negative flip rate": flips(before, correct).negative,
            "examples": float(len(right)),
        }
        folder = self._store.artifacts / f"choice-{sha256(choice.weights.tobytes()).hexdigest()[:16]}"
        if _hash(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)  # damaged
            artifact.write(
                folder,
                kind="choice",
                name="choice of domain",
                tensors={"weights": choice.weights},
                meta={"domains": names, "measured": measured, "seed": seed},
                parent=_hash(self._store.live("choice")),
            )
        self._store.go_live("choice", folder)
        self._chosen, self._choice = folder, choice
        return measured

    def _open_choice(self) -> Choice:
        folder = self._chosen = self._store.live("choice")
        if folder is None:
            return untrained(len(FEATURES))
        weights = artifact.open(folder, kind="choice").tensors()["weights"]
        if weights.shape != (len(FEATURES) + CUES,):
            raise Corrupt(
                f"{folder} holds {len(weights)} weights.",
                expected=f"{len(FEATURES) + CUES}",
                fix="delete the entry choice from live.json; the next large change of a catalogue fits it anew",
            )
        return Choice(weights)


def _hash(folder: Path | None) -> str | None:
    """The content hash of a fitted choice; None where there is none that can be read."""
    try:
        return artifact.open(folder, kind="choice").hash if folder else None
    except (NotFound, Corrupt, InvalidInput):
        return None


def _judged(
    choice: Choice, examples: NDArray[np.float64], right: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities [n, domains] for each example and whether the likeliest domain is the right one [n]."""
    shares = np.stack([choice.probabilities(one) for one in examples])
    return shares, shares.argmax(axis=1) == right


def _asked(request: Request, spoken: Spoken, catalogues: Sequence[Snapshot]) -> list[Query]:
    """What is searched for in each domain, as far as the catalogues alone can tell. Each is searched by the encoder that made its
    vectors: while another takes over, some may be a moment ahead."""
    encode = {one.encoder.fingerprint: _once(one.encoder.encode) for one in catalogues}
    return [Query(request, searched(spoken, request.text, one), encode[one.encoder.fingerprint]) for one in catalogues]


def _described(queries: Sequence[Query], spoken: Spoken, catalogues: Sequence[Snapshot]) -> NDArray[np.float64]:
    """The features [domains, features] by which the choice tells domains apart."""
    known = [evidence(query, catalogue) for query, catalogue in zip(queries, catalogues, strict=True)]
    return features(known, [catalogue.domain for catalogue in catalogues], spoken)


def _named(query: Query, catalogue: Snapshot, guesses: Sequence[Guess]) -> Query:
    """What to search for when a reader has found slots: their words, if that is sure, the catalogue knows each as a whole title
    or value, and what is left out says nothing that could be searched for. A title as a whole always comes first."""
    text, best = query.request.text, guesses[0]
    if not best.meaning.slots or best.confidence < _SURE or catalogue.text.holds_title(query.text):
        return query
    spans = [(slot.start, slot.end) for slot in best.meaning.slots]
    words = [text[start:end] for start, end in spans]
    ends = [0, *(end for _, end in spans)]
    left = " ".join(
        text[end:start] for end, start in zip(ends, [*(start for start, _ in spans), len(text)], strict=True)
    )
    if looked_up(catalogue, [("", text) for text in words])[0] < 1 or barely_read(left, catalogue).explained > 0:
        return query
    return query if NEGATIONS & set(left.lower().split()) else query.saying(" ".join(words))


def _read(text: str, guess: Guess) -> Hypothesis:
    return Hypothesis(guess.domain, guess.meaning.intent, guess.slots(text), guess.confidence)


def _as_data(guesses: Mapping[str, Sequence[Guess]], text: str) -> dict[str, list[dict[str, Any]]]:
    """Each domain's best hypotheses with the confidence that was read, before what people took counted."""
    return {
        name: [
            {"intent": one.meaning.intent, "slots": one.slots(text), "confidence": round(one.confidence, 6)}
            for one in few
        ]
        for name, few in guesses.items()
    }


def _hypothesis(spoken: Spoken, query: Query, catalogue: Snapshot) -> Hypothesis:
    """How sure it is, the choice between domains says later."""
    readings = query.readings(catalogue)
    slots = readings[0].slots() if readings and readings[0].probability > 0.5 else {}
    if not slots:
        slots = {"title" if catalogue.text.holds_title(query.text) else "words": query.text}
    return Hypothesis(catalogue.domain, spoken.intent, slots, 0.0)


def _once(encode: Encode) -> Encode:
    """Encode the same text once for all domains of a request."""
    made: dict[tuple[str, ...], NDArray[np.float32]] = {}

    def encode_once(texts: Sequence[str]) -> NDArray[np.float32]:
        key = tuple(texts)
        if key not in made:
            made[key] = encode(texts)
        return made[key]

    return encode_once


def _examples(catalogues: Sequence[Snapshot], seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Requests for known titles, more often for popular ones: features [n, domains, features] and the right domain [n]."""
    random = np.random.default_rng(seed)
    rows, right = [], []
    sizes = np.array([len(catalogue) for catalogue in catalogues], dtype=np.float64) ** _SIZE
    for place, (catalogue, share) in enumerate(zip(catalogues, sizes / sizes.sum(), strict=True)):
        weights = (catalogue.shares + 0.05).astype(np.float64)
        count = min(len(catalogue), max(20, int(_EXAMPLES * share)))
        numbers = random.choice(catalogue.numbers, count, replace=False, p=weights / weights.sum())
        for document in catalogue.documents(numbers.tolist()).values():
            text = _as_asked(document, catalogue.domain, random)
            spoken = listen(text)
            rows.append(_described(_asked(Request("", text), spoken, catalogues), spoken, catalogues))
            right.append(place)
    order = random.permutation(len(rows))
    return np.stack(rows)[order], np.array(right, dtype=np.int64)[order]


def _as_asked(document: Document, domain: str, random: np.random.Generator) -> str:
    """A title as people type it: whole, a word or two of it, misspelt, with a value of the item, or with its kind named."""
    words = document.title.split()
    way = random.random()
    if way < 0.3 and len(words) > 1:
        start = int(random.integers(len(words)))
        words = words[start : start + int(random.integers(1, 3))]
    elif way < 0.4 and len(document.title) > 5:
        at = int(random.integers(1, len(document.title)))
        words = (document.title[:at] + document.title[at + 1 :]).split()
    elif way < 0.5 and document.categories:
        members = next(iter(document.categories.values()))
        words.append(members[0])
    elif way < 0.65:
        words.append(domain.removesuffix("s"))
    return " ".join(words) or document.title
