"""What a continued encoder learns: its flow, and nothing else."""

from pathlib import Path

import pytest
import torch

from segue.encode import lengthening
from segue.encode.continuation import Continuation, flow_of
from segue.encode.lengthening import Agreement, Lesson, learn, lengthened
from segue.encode.pretrained import TorchEncoder, load
from segue.encode.transformer import pool
from segue.errors import InvalidInput

WORDS = "amber birch cedar delta ember flint grove heath iris jade kelp larch moss north opal pearl river slate oak reed".split()
LESSON = Lesson(steps=3, passages=4, reach=130, part=16, examined=4)


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
    assert last.cosine >= first.cosine
    assert all(parameter.requires_grad for parameter in encoder.transformer.parameters())


def test_the_same_seed_learns_the_same(tiny_bert: Path) -> None:
    one, other = fresh(tiny_bert), fresh(tiny_bert)
    assert learn(one, texts(), LESSON) == learn(other, texts(), LESSON)
    assert torch.equal(*(flow_of(encoder.transformer).outward.weight for encoder in (one, other)))


@pytest.mark.parametrize("after", [0.8, 0.6])
def test_what_came_no_nearer_is_put_back(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, after: float) -> None:
    measured = iter([Agreement(4, 0.7), Agreement(4, after)])
    monkeypatch.setattr(lengthening.Course, "examine", lambda *given: next(measured))
    encoder = fresh(tiny_bert)
    before = flow_of(encoder.transformer).outward.weight.clone()
    first, last = learn(encoder, texts(), LESSON)
    worse = after < 0.7
    assert torch.equal(flow_of(encoder.transformer).outward.weight, before) == worse
    assert (first == last) == worse


def test_what_passages_should_be(tiny_bert: Path) -> None:
    """The mean of the vector at rest and of the parts' mean, by hand, one passage at a time."""
    encoder = fresh(tiny_bert)
    reads = encoder.transformer
    draw = torch.Generator().manual_seed(0)
    passages = torch.randint(5, 20, (2, 50), generator=draw)
    course = lengthening.Course(encoder, LESSON)
    with torch.no_grad():
        flow_of(reads).outward.weight.normal_(generator=draw)  # what it learns since is not what it was
    wanted = course.wanted(passages)
    rest = fresh(tiny_bert).transformer
    (special,) = encoder.tokenizer.tokenize([""])
    first, last = special

    def read(ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            return pool(rest(torch.tensor([[first, *ids, last]])))[0]

    for passage, made in zip(passages.tolist(), wanted, strict=True):
        # As few parts of at most 14 words as can be, even: 13, 13, 12, 12.
        parts = [passage[:13], passage[13:26], passage[26:38], passage[38:]]
        mean = torch.stack([len(part) * read(part) for part in parts]).sum(dim=0)
        both = mean / mean.norm() + read(passage)
        torch.testing.assert_close(made, both / both.norm())


def test_short_texts_teach_too(tiny_bert: Path) -> None:
    short = [" ".join(text.split()[:9]) for text in texts()] * 20
    first, last = learn(fresh(tiny_bert), short, LESSON)
    assert first.passages == last.passages == 4


def test_too_little_text_teaches_nothing(tiny_bert: Path) -> None:
    with pytest.raises(InvalidInput, match="All texts together are 4 tokens long"):
        learn(fresh(tiny_bert), ["a short text", "another"], LESSON)
