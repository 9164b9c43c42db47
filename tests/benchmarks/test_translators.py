"""Sentences are parted and counted, translators migrated, clocked and trained as the benchmark says."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sacrebleu import corpus_bleu

from benchmarks import training
from benchmarks.sentences import END, START, Pair, Sentence, batch, batches, bleu, counted, split
from benchmarks.training import Plan, train
from benchmarks.translators import Clock, Ours, Translator, clocked, migrated, stretched
from segue.encode.positions import SinusoidalPositions
from segue.encode.shape import Shape

SHAPE = Shape(vocabulary=30, width=16, blocks=2, heads=2, inner=32)


def made() -> Ours:
    torch.manual_seed(0)
    return Ours(SHAPE, SinusoidalPositions(16), SinusoidalPositions(16)).eval()


def given() -> list[Pair]:
    rng = random.Random(0)
    texts = [[rng.randrange(4, 30) for _ in range(rng.randrange(1, 9))] for _ in range(60)]
    return [Pair([*text, END], [START, *reversed(text), END]) for text in texts]


def test_no_source_is_in_two_parts_and_each_part_has_its_lengths() -> None:
    rng = random.Random(0)
    sentences = [Sentence(f"{n} " + "w " * rng.randrange(1, 19), ("x",)) for n in range(500)]
    parts = split(sentences, held_out=30)
    assert sum(map(len, parts.values())) == len({one.source for part in parts.values() for one in part}) == 500
    assert len(parts["dev short"]) == len(parts["test short"]) == 30
    assert max(one.words for part in ("train", "dev short", "test short") for one in parts[part]) == 10
    assert {one.words for one in parts["dev long"]} == {11, 12}
    assert min(one.words for one in parts["test long"]) == 13


def test_a_pass_meets_every_pair_once_in_batches_of_their_size() -> None:
    found = list(batches(given(), tokens=40, rng=np.random.default_rng(0)))
    rows = [row[row != 0].tolist() for one in found for row in one.target]
    assert sorted(rows) == sorted(pair.target for pair in given())
    assert max(int((one.target != 0).sum()) for one in found) <= 40 + 10


def test_bleu_is_that_of_sacrebleu_with_several_references() -> None:
    sentences = [
        Sentence("a", ("le chat est là .", "un chat est ici .")),
        Sentence("b", ("je ne sais pas ce que tu veux .",)),
        Sentence("c", ("il est tard .", "c'est tard .", "il se fait tard .")),
    ]
    written = ["un chat est là .", "je ne sais pas que tu veux .", "il est bien tard ."]
    streams = [[one.translations[n] if n < len(one.translations) else None for one in sentences] for n in range(3)]
    expected = corpus_bleu(written, streams).score  # type: ignore[arg-type]
    assert bleu(counted(written, sentences)) == pytest.approx(expected)


@torch.no_grad()
def test_a_migrated_model_is_the_model_that_it_was_until_its_flow_moves() -> None:
    before, both = made(), batch(given()[:8])
    after = migrated(before, bound=1.0, decay=0.5).eval()
    real = both.target[:, 1:] != 0
    assert torch.equal(before.logits(both, real), after.logits(both, real))
    for name, parameter in after.named_parameters():
        if name.endswith("flow.outward.bias"):
            parameter.add_(0.5)
    moved = after.logits(both, real) - before.logits(both, real)
    assert float(moved.abs().max()) > 1e-3


@torch.no_grad()
def test_tokens_stand_where_the_clock_says() -> None:
    both = batch(given()[:8])
    real = both.target[:, 1:] != 0
    clock = Clock(stretched)
    model = clocked(migrated(made()), clock)
    plain = model.logits(both, real)
    clock.tick(torch.Generator().manual_seed(0))
    assert not torch.allclose(model.logits(both, real), plain, atol=1e-3)
    clock.stop()
    assert torch.equal(model.logits(both, real), plain)


def test_stretched_places_increase_evenly_and_the_generator_repeats_them() -> None:
    first, again = (stretched(50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert float(first[0]) == 0
    gaps = first.diff()
    torch.testing.assert_close(gaps, gaps[:1].expand(49))
    assert 1 < float(gaps[0]) < 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of x-transformers, when it is loaded
@pytest.mark.parametrize("kind", ["ours", "peer"])
def test_training_that_was_stopped_goes_on_as_if_it_had_not_been(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model() -> Translator:
        torch.manual_seed(0)
        if kind == "ours":
            return migrated(made())
        from benchmarks.peer_translator import Peer  # noqa: PLC0415

        return Peer(SHAPE, rel_pos_bias=True)

    plan = Plan(steps=9, peak=1e-2, warmup=3, tokens=60)
    whole, stopped, on = model(), model(), model()
    train(whole, given(), plan, seed=1, checkpoint=tmp_path / "whole")
    usual, steps = training._step, iter(range(6))

    def step(*arguments: Any) -> float:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return usual(*arguments)

    monkeypatch.setattr(training, "_KEPT_EVERY", 4)
    monkeypatch.setattr(training, "_step", step)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, given(), plan, seed=1, checkpoint=tmp_path / "stopped")
    monkeypatch.setattr(training, "_step", usual)
    train(on, given(), plan, seed=1, checkpoint=tmp_path / "stopped")
    for one, other in zip(whole.parameters(), on.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert whole.write(torch.tensor([[5, 6, END]]), None, 5) == on.write(torch.tensor([[5, 6, END]]), None, 5)
