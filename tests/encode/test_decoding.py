"""Greedy and beam search, against each other and against every possible text."""

from itertools import product

import pytest
import torch
from torch import Tensor

from segue.encode.decoding import Written, beam_search, greedy
from segue.encode.positions import NoPositions, SinusoidalPositions, floater
from segue.encode.seq2seq import LanguageModel, Seq2Seq
from segue.encode.shape import Shape
from segue.encode.transformer import Transformer
from segue.errors import InvalidInput

END, START = 0, 1


def model(vocabulary: int, seed: int) -> Seq2Seq:
    torch.manual_seed(seed)
    shape = Shape(vocabulary=vocabulary, width=8, blocks=2, heads=2, inner=16)
    made = Seq2Seq(
        Transformer(shape, floater(8)),
        Transformer(shape, floater(8), causal=True, reading=floater(8)),
    )
    with torch.no_grad():
        for key, parameter in made.named_parameters():
            parameter.add_((0.1 if "flow" in key else 0.5) * torch.randn_like(parameter))
        made.writer.decoder.words.weight.mul_(2)
    return made.eval()


def given(vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    source = torch.randint(1, vocabulary, (3, 5), generator=torch.Generator().manual_seed(0))
    return source, torch.tensor([[1] * 5, [1] * 5, [1, 1, 0, 0, 0]]), torch.full((3, 1), START)


@torch.no_grad()
def log_probability(made: Seq2Seq, source: Tensor, mask: Tensor, tokens: list[int]) -> float:
    ids = torch.tensor([[START, *tokens]])
    following = torch.log_softmax(made(source, ids[:, :-1], mask), dim=2)[0]
    return float(following[range(len(tokens)), tokens].sum())


@pytest.mark.parametrize("penalty", [0.0, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_wide_beams_find_the_best_of_all_texts(seed: int, penalty: float) -> None:
    made, (source, mask, prompt), longest = model(4, seed), given(4), 4
    found = beam_search(
        made.writer, made.start(source, mask), prompt, end=END, longest=longest, beams=4**longest, penalty=penalty
    )
    for text in range(3):
        every = [
            Written(
                list(tokens),
                log_probability(made, source[[text]], mask[[text]], [*tokens, END]) / (length + 1) ** penalty,
            )
            for length in range(longest)
            for tokens in product((1, 2, 3), repeat=length)
        ]
        every.sort(key=lambda one: -one.score)
        assert found[text][0].tokens == every[0].tokens
        assert [one.score for one in found[text][:5]] == pytest.approx([one.score for one in every[:5]], abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_one_beam_is_greedy(seed: int) -> None:
    made, (source, mask, prompt) = model(6, seed), given(6)
    one = beam_search(made.writer, made.start(source, mask), prompt, end=END, longest=12, beams=1)
    assert [found[0].tokens for found in one] == greedy(
        made.writer, made.start(source, mask), prompt, end=END, longest=12
    )


def test_a_batch_is_written_as_one_by_one() -> None:
    made, (source, mask, prompt) = model(6, 0), given(6)
    together = beam_search(made.writer, made.start(source, mask), prompt, end=END, longest=8, beams=3)
    for text in range(3):
        (alone,) = beam_search(
            made.writer, made.start(source[[text]], mask[[text]]), prompt[:1], end=END, longest=8, beams=3
        )
        assert [one.tokens for one in alone] == [one.tokens for one in together[text]]


def test_greedy_takes_the_likeliest_each_time() -> None:
    made, (source, mask, prompt) = model(6, 1), given(6)
    for text, written in enumerate(greedy(made.writer, made.start(source, mask), prompt, end=END, longest=9)):
        ids = torch.tensor([[START, *written]])
        with torch.no_grad():
            likeliest = made(source[[text]], ids, mask[[text]])[0].argmax(dim=1).tolist()
        assert likeliest[: len(written)] == written
        assert len(written) == 9 or likeliest[len(written)] == END


def test_a_decoder_alone_goes_on_from_a_prompt() -> None:
    torch.manual_seed(0)
    shape = Shape(vocabulary=9, width=8, blocks=1, heads=2, inner=16)
    made = LanguageModel(Transformer(shape, SinusoidalPositions(8), causal=True)).eval()
    prompt = torch.tensor([[3, 4, 5], [6, 7, 8]])
    written = greedy(made, made.start(), prompt, end=END, longest=4)
    assert written == [
        found[0].tokens for found in beam_search(made, made.start(), prompt, end=END, longest=4, beams=1)
    ]
    assert [len(text) <= 4 for text in written] == [True, True]


def test_bad_input_is_refused() -> None:
    made, (source, mask, prompt) = model(6, 0), given(6)
    with pytest.raises(InvalidInput, match="prompt"):
        greedy(made.writer, made.start(source, mask), prompt[:, :0], end=END, longest=3)
    with pytest.raises(InvalidInput, match="beams"):
        beam_search(made.writer, made.start(source, mask), prompt, end=END, longest=3, beams=0)
    shape = Shape(vocabulary=9, width=8, blocks=1, heads=2, inner=16)
    plain = Transformer(shape, NoPositions())
    with pytest.raises(InvalidInput, match="causal"):
        LanguageModel(plain)
    with pytest.raises(InvalidInput, match="was passed"):
        plain.cached(torch.zeros(1, 2, 8))
    with pytest.raises(InvalidInput, match="No text to read"):
        made.writer.decoder.cached()
    with pytest.raises(InvalidInput, match="heads"):
        Transformer(Shape(vocabulary=9, width=9, blocks=1, heads=2, inner=16), NoPositions())
