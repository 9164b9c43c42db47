"""Readers and re-rankers as one: alone as in a batch, each domain by itself, with what the caller knows of slots."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.made_up import Built, made_up
from segue import artifact
from segue.errors import Corrupt, InvalidInput
from segue.understand.corpus import prepare
from segue.understand.features import PARTS, extended
from segue.understand.hypotheses import Interpretation, Slot, judge
from segue.understand.interpreter import RERANKERS, Guess, Interpreter, Resolution, resolved, weigh
from segue.understand.kept import keep, kept
from segue.understand.merging import leading, merge
from segue.understand.out_of_fold import read_out_of_fold, train_all
from segue.understand.readers import Readers
from segue.understand.reranker import Reranker, fit, product
from tests.spoken import UTTERANCES

TEXTS = [one.text for one in UTTERANCES]
CONTEXTS: list[dict[str, str]] = [{} for _ in TEXTS]
TITLES = {"help", "yesterday"}


def look_up(domain: str, text: str, readings: Sequence[Sequence[tuple[str, str]]]) -> Sequence[Sequence[float]]:
    return [[float(any(words in TITLES for _, words in slots)), float(len(domain))] for slots in readings]


KNOWN = Resolution(("is a title", "length of the name"), frozenset(["music"]), look_up)


@pytest.fixture(scope="module")
def readers() -> Readers:
    return Readers(train_all(prepare(UTTERANCES, None)))


@pytest.fixture(scope="module")
def rerankers() -> dict[str, Reranker]:
    """Of music with what is known of its slots, of chat without; weather has none."""
    found = {}
    for table in read_out_of_fold(UTTERANCES, folds=3):
        if table.domain != "weather":
            used = resolved(table, TEXTS, KNOWN) if table.domain == "music" else table
            found[table.domain] = fit(used, judge(used, UTTERANCES), features=extended(used))
    return found


def test_alone_as_in_a_batch(readers: Readers, rerankers: dict[str, Reranker]) -> None:
    interpreter = Interpreter(readers, rerankers, resolution=KNOWN)
    together = interpreter.interpret(TEXTS, CONTEXTS)
    for place in (0, 7, 30, len(TEXTS) - 1):
        assert interpreter.interpret([TEXTS[place]]).guesses() == together.guesses(place)
    assert interpreter.interpret([]).leading().starts.tolist() == [0]


def test_without_rerankers_it_is_the_product(readers: Readers) -> None:
    found = Interpreter(readers).interpret(["play help by abba"])
    for table, confidence in zip(found.tables, found.confidences, strict=True):
        np.testing.assert_array_equal(confidence, np.exp(table.logs.sum(axis=1)))
    first = found.guesses(most=1)["music"][0]
    assert first.meaning.intent == "play"
    assert first.slots("play help by abba") == {"song": "help", "artist": "abba"}


def test_one_domains_reranker_changes_no_others_scores(readers: Readers, rerankers: dict[str, Reranker]) -> None:
    one = Interpreter(readers, rerankers, resolution=KNOWN).interpret(TEXTS)
    other = Interpreter(readers, {**rerankers, "chat": product("chat")}, resolution=KNOWN).interpret(TEXTS)
    same = [a.tobytes() == b.tobytes() for a, b in zip(one.confidences, other.confidences, strict=True)]
    assert same == [False, True, True]  # chat, music, weather


def test_what_is_known_of_slots_is_looked_up_in_its_domain_only(
    readers: Readers, rerankers: dict[str, Reranker]
) -> None:
    asked: list[str] = []

    def resolve(domain: str, text: str, readings: Sequence[Sequence[tuple[str, str]]]) -> Sequence[Sequence[float]]:
        asked.append(domain)
        return look_up(domain, text, readings)

    known = Resolution(KNOWN.names, KNOWN.domains, resolve)
    found = Interpreter(readers, rerankers, resolution=known).interpret(["play help by abba"])
    assert set(asked) == {"music"}
    assert [len(table.names) for table in found.tables] == [5, 7, 5]
    nothing = Resolution(KNOWN.names, frozenset(), resolve)  # its catalogue is gone
    gone = Interpreter(readers, rerankers, resolution=nothing).interpret(["play help by abba"])
    assert not gone.tables[1].local[:, 5:].any()
    with pytest.raises(InvalidInput, match="local features"):
        Interpreter(readers, rerankers).interpret(["play help by abba"])


def test_where_the_catalogue_knows_the_readers_probabilities_have_weights_of_their_own(readers: Readers) -> None:
    known = Resolution(KNOWN.names, KNOWN.domains, look_up, blocks=("is a title",))
    table = next(table for table in readers.read(["play help by abba", "stop"]) if table.domain == "music")
    found = resolved(table, ["play help by abba", "stop"], known)
    assert (
        found.names[len(table.names) :] == known.columns == (*KNOWN.names, *(f"{part}, is a title" for part in PARTS))
    )
    titled = found.local[:, len(table.names)] == 1
    assert 0 < titled.sum() < len(titled)
    np.testing.assert_array_equal(found.local[titled, -3:], table.logs[titled])
    assert not found.local[~titled, -3:].any()


def test_the_first_of_each_request_is_the_same_without_sorting() -> None:
    made = made_up(400, {"films": Built(), "books": Built(sure=2), "songs": Built(shift=-1)}, seed=0)
    tables = [(table, np.exp(table.logs.sum(axis=1)).round(2)) for table, _ in made.tables]  # many are equal
    whole, first = merge(tables, requests=405), leading(tables, requests=405)
    best = whole.best()
    assert first.best().tolist() == [*range(400), *[-1] * 5]
    at = best[best >= 0]
    assert [first.domains[one] for one in first.domain] == [whole.domains[one] for one in whole.domain[at]]
    np.testing.assert_array_equal(first.place, whole.place[at])
    np.testing.assert_array_equal(first.confidence, whole.confidence[at])


def test_what_is_kept_is_read_again_to_the_last_bit(tmp_path: Path, readers: Readers) -> None:
    tables = readers.read(TEXTS)
    keep(tmp_path / "kept", tables, name="all")
    again = kept(tmp_path / "kept")
    for one, other in zip(tables, again, strict=True):
        assert (one.domain, one.names) == (other.domain, other.names)
        assert list(other.meanings) == [other.meanings[place] for place in range(len(other))] == list(one.meanings)
        assert other.meanings[3:7] == list(one.meanings[3:7])
        for name in ("request", "logs", "local"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    artifact.write(tmp_path / "odd", kind="hypotheses", name="odd", tensors={}, meta={"tables": [{"domain": "films"}]})
    with pytest.raises(Corrupt, match="hypotheses"):
        kept(tmp_path / "odd")


def test_opened_from_a_folder(tmp_path: Path, readers: Readers, rerankers: dict[str, Reranker]) -> None:
    for reader in readers.readers:
        reader.write(tmp_path / reader.domain)
    for name, one in rerankers.items():
        one.write(tmp_path / RERANKERS / name, name=name)
    opened = Interpreter.open(tmp_path, resolution=KNOWN)
    assert opened.domains == ("chat", "music", "weather")
    expected = weigh(readers.read(TEXTS), TEXTS, CONTEXTS, rerankers, KNOWN)
    found = opened.interpret(TEXTS)
    assert [one.tobytes() for one in found.confidences] == [one.tobytes() for one in expected.confidences]


def test_two_slots_of_one_name() -> None:
    meaning = Interpretation("play", (Slot("artist", 0, 4), Slot("artist", 9, 14)))
    assert Guess("music", meaning, 0.5).slots("abba and queen") == {"artist": "abba, queen"}


def test_a_reranker_of_another_domain_is_refused(readers: Readers, rerankers: dict[str, Reranker]) -> None:
    for wrong in ({"chat": rerankers["music"]}, {"films": product("films")}):
        with pytest.raises(InvalidInput, match="re-ranker"):
            Interpreter(readers, wrong)
