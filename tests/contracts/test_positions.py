"""The contract of a position family, over every member: what it does to an encoder and to a decoder."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor

from segue.encode.dynamics.biases import BiasDynamics
from segue.encode.dynamics.flow import Flow
from segue.encode.dynamics.parallel import Parallel
from segue.encode.dynamics.sequential import Sequential
from segue.encode.positions import FAMILIES, FloaterPositions, GridFloaterPositions, NoPositions, Positions
from segue.encode.seq2seq import LanguageModel, Seq2Seq
from segue.encode.shape import Shape
from segue.encode.transformer import Transformer
from segue.errors import InvalidInput

SHAPE = Shape(vocabulary=30, width=16, blocks=2, heads=2, inner=32)
LONGEST = 40


def _paper(shape: Shape, longest: int, causal: bool) -> Positions:
    return FloaterPositions(BiasDynamics(Flow(shape.width), Sequential(0.02)))


def _grid(shape: Shape, longest: int, causal: bool) -> Positions:
    down, across = (BiasDynamics(Flow(shape.width), Parallel(0.1)) for _ in range(2))
    return GridFloaterPositions(down, across, columns=4)


MEMBERS: dict[str, Callable[[Shape, int, bool], Positions]] = {
    **FAMILIES,
    "floater of the paper": _paper,
    "floater on a grid": _grid,
}
RANDOM = [name for name in MEMBERS if name.startswith("randomised")]


@pytest.fixture(params=sorted(MEMBERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _stir(model: torch.nn.Module) -> None:
    """Weights far from their start, so that every part shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))


def encoder(name: str, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    made = Transformer(SHAPE, MEMBERS[name](SHAPE, LONGEST, False))
    _stir(made)
    return made.eval()


def decoder(name: str) -> LanguageModel:
    torch.manual_seed(0)
    made = LanguageModel(Transformer(SHAPE, MEMBERS[name](SHAPE, LONGEST, True), causal=True))
    _stir(made)
    return made.eval()


def ids(texts: int = 3, length: int = 12) -> Tensor:
    return torch.randint(1, 30, (texts, length), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_vectors_are_of_the_right_shape_and_finite(name: str) -> None:
    found = encoder(name)(ids())
    assert found.shape == (3, 12, 16)
    assert found.isfinite().all()


@torch.no_grad()
def test_the_same_seed_gives_the_same_vectors(name: str) -> None:
    assert torch.equal(encoder(name, 3)(ids()), encoder(name, 3)(ids()))
    assert not torch.equal(encoder(name, 3)(ids()), encoder(name, 4)(ids()))


@torch.no_grad()
def test_a_batch_equals_one_by_one(name: str) -> None:
    model, given = encoder(name), ids()
    alone = torch.cat([model(row[None]) for row in given])
    torch.testing.assert_close(model(given), alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_changes_nothing(name: str) -> None:
    model, given = encoder(name), ids()
    mask = torch.ones_like(given)
    mask[:, 9:] = 0
    torch.testing.assert_close(model(given, mask)[:, :9], model(given[:, :9]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_order_tells(name: str) -> None:
    model, given = encoder(name), ids(1)
    order = torch.tensor([4, 1, 2, 3, 0, 5, 6, 11, 8, 9, 10, 7])  # its own inverse
    assert torch.allclose(model(given), model(given[:, order])[:, order], atol=1e-5) == (name == "none")


@torch.no_grad()
def test_the_input_is_not_changed_and_the_second_call_is_the_first(name: str) -> None:
    model, given = encoder(name), ids()
    first = model(given)
    assert torch.equal(given, ids())
    assert torch.equal(first, model(given))


@torch.no_grad()
def test_a_longer_text_before_changes_nothing(name: str) -> None:
    model = encoder(name)
    first = model(ids(1, 5))
    model(ids(1, LONGEST))
    torch.testing.assert_close(model(ids(1, 5)), first, atol=1e-5, rtol=0)


@torch.no_grad()
def test_saving_and_loading_is_identical(name: str, tmp_path: Path) -> None:
    model, other = encoder(name), encoder(name, seed=9)
    save_model(model, str(tmp_path / "model.safetensors"))
    load_model(other, str(tmp_path / "model.safetensors"))
    assert torch.equal(model(ids()), other(ids()))


def test_every_parameter_learns(name: str) -> None:
    model = encoder(name).train()
    model(ids()).square().sum().backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []


def test_training_and_inference_agree(name: str) -> None:
    if name in RANDOM:
        pytest.skip("places are random while training")
    model, given = encoder(name), ids()
    trained = model.train()(given).detach()
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(given), trained, atol=1e-5, rtol=0)


@torch.no_grad()
def test_no_token_of_a_decoder_sees_a_later_one(name: str) -> None:
    model, given = decoder(name), ids()
    changed = given.clone()
    changed[:, 7:] = 1
    torch.testing.assert_close(model(given)[:, :7], model(changed)[:, :7], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("sizes", [[1] * 12, [5, 1, 6], [11, 1]])
def test_step_by_step_equals_teacher_forcing(name: str, sizes: list[int]) -> None:
    model, given = decoder(name), ids()
    cache = model.start()
    steps = torch.cat([model(part, cache=cache) for part in torch.split(given, sizes, dim=1)], dim=1)
    torch.testing.assert_close(steps, model(given), atol=1e-5, rtol=0)


@torch.no_grad()
def test_step_by_step_equals_teacher_forcing_where_another_text_is_read(name: str) -> None:
    torch.manual_seed(0)
    reading = MEMBERS[name](SHAPE, LONGEST, True) if "floater" in name else NoPositions()
    writer = Transformer(SHAPE, MEMBERS[name](SHAPE, LONGEST, True), causal=True, reading=reading)
    model = Seq2Seq(Transformer(SHAPE, MEMBERS[name](SHAPE, LONGEST, False)), writer)
    _stir(model)
    source, target = ids(2, 7), ids(2, 10)
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3])
    forced = model.eval()(source, target, mask)
    cache = model.start(source, mask)
    steps = torch.cat([model.writer(target[:, i : i + 1], cache=cache) for i in range(10)], dim=1)
    torch.testing.assert_close(steps, forced, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("places", [[0.0, 2, 1], [0.0, 1, 1], [-1.0, 0, 1], [0.0, 1], [0.0, 1, float("nan")]])
def test_places_that_do_not_increase_are_refused(name: str, places: list[float]) -> None:
    with pytest.raises(InvalidInput, match="places"):
        encoder(name)(ids(1, 3), places=torch.tensor(places))


@torch.no_grad()
def test_places_given_are_the_natural_ones(name: str) -> None:
    model, given = encoder(name), ids(1, 6)
    if name in RANDOM or name == "floater on a grid":
        with pytest.raises(InvalidInput, match="fix it"):
            model(given, places=torch.arange(6))
        return
    torch.testing.assert_close(model(given, places=torch.arange(6)), model(given), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", ["sinusoidal", "rotary", "alibi", "floater", "floater of the paper"])
def test_continuous_families_take_any_increasing_places(name: str) -> None:
    model, given = encoder(name), ids(1, 4)
    near = model(given, places=torch.tensor([0.0, 1.5, 1.75, 9.3]))
    assert near.isfinite().all()
    assert not torch.allclose(near, model(given), atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("name", ["learned", "randomised learned", "randomised floater"])
def test_a_text_too_long_is_refused_with_what_to_do(name: str) -> None:
    model = encoder(name)
    assert model(ids(1, LONGEST)).isfinite().all()
    with pytest.raises(InvalidInput, match=rf"41 tokens.*at most {LONGEST}.*fix it"):
        model(ids(1, LONGEST + 1))


def test_random_places_are_drawn_anew_while_training_and_repeat_with_the_seed() -> None:
    for name in RANDOM:
        model = encoder(name).train()
        torch.manual_seed(5)
        first, second = model(ids()), model(ids())
        torch.manual_seed(5)
        torch.testing.assert_close(first, model(ids()), atol=1e-4, rtol=0)
        assert not torch.allclose(first, second, atol=1e-3), name
