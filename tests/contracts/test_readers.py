"""The contract of readers, over both kinds: light, and beside the encoder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from segue.encode.states import StatesEncoder
from segue.errors import InvalidInput, NotFound
from segue.understand.corpus import prepare
from segue.understand.hypotheses import Hypotheses, Interpretation, Slot
from segue.understand.out_of_fold import parts, read_out_of_fold, train_all
from segue.understand.reader import Reader
from segue.understand.readers import Readers
from segue.understand.reading_measures import count, first, measured
from segue.understand.seen import NAMES
from segue.understand.training import train
from tests.spoken import UTTERANCES

TEXTS = [
    "play help by queen",
    "will it rain in lagos tomorrow",
    "hello",
    "put on a song by the zutons please",
    "who sings help",
]
ODD = [
    "",
    " ",
    "\0",
    "🎬" * 30,
    "\ud800 half",
    "メリー・ポピンズ",
    "PLAY HELP",
    "rain " * 400,
    "x" * 9000,
    "a\nb\tc",
    "İstanbul?!",
]


@pytest.fixture(scope="module")
def light() -> Readers:
    return Readers(train_all(prepare(UTTERANCES)))


@pytest.fixture(scope="module")
def beside(states_encoder: StatesEncoder) -> Readers:
    return Readers(train_all(prepare(UTTERANCES, states_encoder)), states_encoder)


@pytest.fixture(params=["light", "beside"])
def member(request: pytest.FixtureRequest, light: Readers, beside: Readers) -> Readers:
    return {"light": light, "beside": beside}[request.param]


def _same(one: Sequence[Hypotheses], other: Sequence[Hypotheses], tolerance: float = 0.0) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert mine.domain == theirs.domain
        assert mine.request.tolist() == theirs.request.tolist()
        assert list(mine.meanings) == list(theirs.meanings)
        np.testing.assert_allclose(mine.logs, theirs.logs, atol=tolerance, rtol=tolerance)
        np.testing.assert_allclose(mine.local, theirs.local, atol=tolerance, rtol=tolerance)


def test_what_was_learned_is_read(member: Readers) -> None:
    found = measured(count(first(member.read([one.text for one in UTTERANCES]), len(UTTERANCES)), UTTERANCES))
    assert found["domain accuracy"] > 0.98
    assert found["SemER"] < 0.1


def test_slots_in_a_new_order(member: Readers) -> None:
    (read,) = first(member.read(["play yesterday by queen"]), 1)
    assert read.domain == "music"
    assert read.meaning == Interpretation("play", (Slot("song", 5, 14), Slot("artist", 18, 23)))


def test_hypotheses_are_in_order_and_probabilities(member: Readers) -> None:
    for found in member.read(TEXTS):
        assert found.names == NAMES
        assert found.local.shape == (len(found), len(NAMES))
        assert np.isfinite(found.logs).all()
        assert np.isfinite(found.local).all()
        assert (found.logs <= 1e-12).all()
        assert set(found.request.tolist()) == set(range(len(TEXTS)))
        for request in range(len(TEXTS)):
            here = np.flatnonzero(found.request == request)
            assert (np.diff(here) == 1).all()
            product = found.logs[here].sum(axis=1)
            assert (np.diff(product) <= 1e-12).all()
            assert len(here) <= 6
            assert len({found.meanings[place] for place in here.tolist()}) == len(here)
            assert np.exp(found.logs[here, 1] + found.logs[here, 2]).sum() <= 1 + 1e-9
            assert (found.local[here, 2] >= 0).all()
            slots = [len(found.meanings[place].slots) for place in here.tolist()]
            assert found.local[here, 3].tolist() == slots


def test_all_hypotheses_of_a_domain_have_probability_one(member: Readers) -> None:
    found = dict(zip(member.domains, member.read(["hello"], most=200), strict=True))
    for domain in ("chat", "weather"):
        np.testing.assert_allclose(np.exp(found[domain].logs[:, 1:].sum(axis=1)).sum(), 1, atol=1e-6)


def test_a_domain_with_one_intent_and_one_without_slots(member: Readers) -> None:
    found = dict(zip(member.domains, member.read(TEXTS), strict=True))
    np.testing.assert_allclose(found["weather"].logs[:, 1], 0, atol=1e-12)
    assert not any(meaning.slots for meaning in found["chat"].meanings)
    np.testing.assert_allclose(found["chat"].logs[:, 2], 0, atol=1e-12)


def test_the_same_twice_and_in_any_batch(member: Readers) -> None:
    every = member.read(TEXTS)
    _same(every, member.read(TEXTS))
    turned = member.read(TEXTS[::-1])
    for one, other in zip(every, turned, strict=True):
        for request in range(len(TEXTS)):
            mine, theirs = one.request == request, other.request == len(TEXTS) - 1 - request
            np.testing.assert_allclose(one.logs[mine], other.logs[theirs], atol=1e-5)
    for place, text in enumerate(TEXTS):
        for one, other in zip(every, member.read([text]), strict=True):
            np.testing.assert_allclose(one.logs[one.request == place], other.logs, atol=1e-5)


def test_a_domain_is_the_same_to_the_last_bit_whichever_others_are_there(
    member: Readers, states_encoder: StatesEncoder
) -> None:
    every = dict(zip(member.domains, member.read(TEXTS), strict=True))
    for reader in member.readers:
        (alone,) = Readers([reader], states_encoder).read(TEXTS)
        assert alone.logs.tobytes() == every[reader.domain].logs.tobytes()
        assert alone.local.tobytes() == every[reader.domain].local.tobytes()
        assert list(alone.meanings) == list(every[reader.domain].meanings)


def test_training_twice_gives_the_same_artifact(member: Readers, tmp_path: Path, states_encoder: StatesEncoder) -> None:
    encoder = states_encoder if member.readers[0].encoder else None
    again = train("music", prepare(UTTERANCES, encoder))
    before = next(reader for reader in member.readers if reader.domain == "music")
    assert again.write(tmp_path / "again").hash == before.write(tmp_path / "before").hash


def test_saved_and_opened_it_reads_the_same(member: Readers, tmp_path: Path, states_encoder: StatesEncoder) -> None:
    for reader in member.readers:
        reader.write(tmp_path / reader.domain)
    opened = Readers([Reader.open(tmp_path / domain) for domain in member.domains], states_encoder)
    _same(member.read(TEXTS), opened.read(TEXTS))


def test_odd_texts_are_read(member: Readers) -> None:
    for found in member.read(ODD):
        assert set(found.request.tolist()) == set(range(len(ODD)))
        assert np.isfinite(found.logs).all()
        for request, meaning in zip(found.request.tolist(), found.meanings, strict=True):
            assert all(0 <= slot.start < slot.end <= len(ODD[request]) for slot in meaning.slots)


def test_no_text(member: Readers) -> None:
    assert [len(found) for found in member.read([])] == [0, 0, 0]


@pytest.mark.parametrize("bad", ["one text", [3], [None]])
def test_what_is_not_texts_is_refused(light: Readers, bad: object) -> None:
    with pytest.raises(InvalidInput, match="list of texts"):
        light.read(bad)  # type: ignore[arg-type]


def test_readers_that_do_not_fit(light: Readers, beside: Readers, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No reader"):
        Readers([])
    with pytest.raises(InvalidInput, match="Two readers"):
        Readers([light.readers[0], light.readers[0]])
    with pytest.raises(InvalidInput, match="another encoder"):
        Readers(beside.readers)
    with pytest.raises(NotFound, match="no reader"):
        Readers.open(tmp_path)
    with pytest.raises(InvalidInput, match="most"):
        light.read(["a"], most=0)


def test_kinds_can_be_mixed(light: Readers, beside: Readers, states_encoder: StatesEncoder) -> None:
    mixed = Readers([beside.readers[0], *light.readers[1:]], states_encoder)
    read = mixed.read(TEXTS)
    _same(read[1:], light.read(TEXTS)[1:])
    _same(read[:1], beside.read(TEXTS)[:1])


def test_one_domain_alone_cannot_be_told_from_others() -> None:
    chat = [one for one in UTTERANCES if one.domain == "chat"]
    with pytest.raises(InvalidInput, match="only utterances of the domain 'chat'"):
        train("chat", prepare(chat))
    with pytest.raises(InvalidInput, match="no utterances of the domain 'news'"):
        train("news", prepare(UTTERANCES))


def test_reading_out_of_fold(states_encoder: StatesEncoder) -> None:
    found = read_out_of_fold(UTTERANCES, folds=3, seed=1)
    assert [one.domain for one in found] == ["chat", "music", "weather"]
    for one in found:
        assert np.unique(one.request).tolist() == list(range(len(UTTERANCES)))
        assert (np.diff(one.request) >= 0).all()
    _same(found, read_out_of_fold(UTTERANCES, folds=3, seed=1))
    part = parts(UTTERANCES, folds=3, seed=1)
    held_out = np.flatnonzero(part == 2)
    seen = [UTTERANCES[place] for place in np.flatnonzero(part != 2).tolist()]
    by_hand = Readers(train_all(prepare(seen))).read([UTTERANCES[place].text for place in held_out.tolist()])
    for mine, theirs in zip(found, by_hand, strict=True):
        np.testing.assert_array_equal(mine.logs[np.isin(mine.request, held_out)], theirs.logs)


def test_parts_keep_one_text_together_and_all_intents_apart() -> None:
    twice = [*UTTERANCES, *UTTERANCES]
    part = parts(twice, folds=4, seed=0)
    assert (part[: len(UTTERANCES)] == part[len(UTTERANCES) :]).all()
    for domain in ("chat", "music", "weather"):
        assert len({part[place] for place, one in enumerate(twice) if one.domain == domain}) == 4
    with pytest.raises(InvalidInput, match="folds"):
        parts(UTTERANCES, folds=1)
