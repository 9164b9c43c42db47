"""What a continued encoder learns: its flow, and nothing else."""

from pathlib import Path

import pytest
import torch

from segue.encode import lengthening
from segue.encode.continuation import Continuation, flow_of
from segue.encode.lengthening import Found, Lesson, learn, lengthened
from segue.encode.pretrained import TorchEncoder, load
from segue.errors import InvalidInput

WORDS = "amber birch cedar delta ember flint grove heath iris jade kelp larch moss north opal pearl river slate oak reed".split()
LESSON = Lesson(steps=3, passages=4, spans=4, reach=130, examined=4)


def texts() -> list[str]:
    """Twelve texts, each of a few words of its own."""
    return [" ".join(WORDS[(first + 3 * place * (place % 4)) % 20] for place in range(200)) for first in range(12)]


def fresh(tiny_bert: Path) -> TorchEncoder:
    return lengthened(load(tiny_bert), Continuation(longest=140))[0]


def test_the_flow_learns_and_the_encoder_stays(tiny_bert: Path) -> None:
    encoder = fresh(tiny_bert)
    before = {name: tensor.clone() for name, tensor in encoder.transformer.state_dict().items()}
    steps = []
    first, last = learn(encoder, texts(), LESSON, progress=lambda step, done: steps.append((step, done)))
    changed = {name for name, now in encoder.transformer.state_dict().items() if not torch.equal(before[name], now)}
    assert steps == [("learning", 1)] * 3
    assert all("flow" in name for name in changed)
    assert bool(changed) == (last != first)
    assert sum(last.loss) <= sum(first.loss)
    assert all(parameter.requires_grad for parameter in encoder.transformer.parameters())


def test_the_same_seed_learns_the_same(tiny_bert: Path) -> None:
    one, other = fresh(tiny_bert), fresh(tiny_bert)
    assert learn(one, texts(), LESSON) == learn(other, texts(), LESSON)
    assert torch.equal(*(flow_of(encoder.transformer).outward.weight for encoder in (one, other)))


@pytest.mark.parametrize("after", [1.0, 3.0])
def test_what_is_no_better_is_put_back(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, after: float) -> None:
    measured = iter([Found(1, (0, 0), (1.0, 1.0)), Found(1, (0, 0), (0.9, after))])
    monkeypatch.setattr(lengthening, "measure", lambda *given: next(measured))
    encoder = fresh(tiny_bert)
    before = flow_of(encoder.transformer).outward.weight.clone()
    first, last = learn(encoder, texts(), LESSON)
    worse = after > 1.1
    assert torch.equal(flow_of(encoder.transformer).outward.weight, before) == worse
    assert (first == last) == worse


def test_short_texts_teach_nothing(tiny_bert: Path) -> None:
    with pytest.raises(InvalidInput, match="0 of the texts are at least 96 tokens long"):
        learn(fresh(tiny_bert), ["a short text", "another"], LESSON)
