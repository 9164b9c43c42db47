"""Fine-tuning that is linear in the weights and quadratic in the loss: one optimum, whatever the seed.

Source: Achille, Golatkar, Ravichandran, Polito and Soatto, "LQF: Linear Quadratic Fine-Tuning" (CVPR 2021). A pre-trained model
is replaced by its tangent at the pre-trained weights w0,

    f(x) = f_w0(x) + ∇_w f_w0(x) · Δw,        Σ ‖f(x) − a·onehot(y)‖² + λ‖Δw‖²  →  min over Δw.

Three ingredients, none enough alone: leaky ReLU in the pre-trained model (`leaky`), the squared loss (`squared`), and a
Kronecker-factored preconditioner (`segue.evolve.kronecker`). With few examples `segue.evolve.tangent` has the exact solution.

Where we differ: the loss is a sum over the examples, so that λ means the same after one of them is removed; f_w0(x), which is
noise where the output layer is new, can be left out (`centred`); the output layer can be solved for instead of drawn (`probe`),
so that nothing is left to the seed; steps remember every example's slopes (SAGA; Defazio, Bach and Lacoste-Julien, NeurIPS
2014), which in a linear model are c numbers and cost no pass, so that descent by batches comes to the optimum and not only
about it; the last steps are averaged, which in a quadratic problem averages the predictions.

Shapes: n examples, c outputs, d features.
"""

import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from math import ceil

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, jvp, vjp, vmap
from torch.nn import functional

from segue.errors import InvalidInput

Weights = dict[str, Tensor]
"""A tensor for each parameter's name."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""Outputs [n, c] and labels [n] → a loss for each example [n]."""


class Linearised:
    """A model made linear around its weights: those of its parameters that require a gradient, in evaluation mode.

    The model is copied. `centred` leaves out f_w0(x), so that nothing is answered before something is learned.
    Raises `InvalidInput` when no parameter requires a gradient.

    >>> model = nn.Linear(2, 1)
    >>> change = {name: torch.ones_like(value) for name, value in model.named_parameters()}
    >>> bool(torch.isclose(Linearised(model)(torch.ones(1, 2), change), model(torch.ones(1, 2)) + 3).all())
    True
    """

    def __init__(self, model: nn.Module, *, centred: bool = False) -> None:
        self.model = deepcopy(model).eval()
        self.centred = centred
        self.weights: Weights = {
            name: value.detach() for name, value in self.model.named_parameters() if value.requires_grad
        }
        if not self.weights:
            raise InvalidInput(
                "No parameter of the model requires a gradient.", expected="at least one that may be changed"
            )
        _load_forward_mode()

    def zeros(self) -> Weights:
        """Δw = 0."""
        return {name: torch.zeros_like(value) for name, value in self.weights.items()}

    def __call__(self, inputs: Tensor, change: Weights) -> Tensor:
        """f(x) at Δw = `change`: inputs [n, …] → [n, c], by one Jacobian–vector product."""
        with torch.no_grad():
            at_rest, moved = jvp(lambda weights: self._run(weights, inputs), (self.weights,), (change,))[:2]
        outputs: Tensor = moved if self.centred else at_rest + moved
        return outputs

    def predict(self, inputs: Tensor, change: Weights, *, batch: int = 500) -> Tensor:
        """f(x) of many inputs, `batch` at a time: [n, c]."""
        return torch.cat([self(part, change) for part in parts(inputs, batch)])

    def at_rest(self, inputs: Tensor) -> Tensor:
        """f(x) at Δw = 0: [n, c]."""
        with torch.no_grad():
            outputs = self._run(self.weights, inputs)
        return torch.zeros_like(outputs) if self.centred else outputs

    def pull_back(self, inputs: Tensor, slopes: Tensor) -> Weights:
        """Σ over examples of ∇f(x)ᵀ · slope: what slopes of the loss by the outputs, [n, c], are by Δw."""
        back = vjp(lambda weights: self._run(weights, inputs), self.weights)[1]
        found: Weights = back(slopes)[0]
        return found

    def jacobian(self, inputs: Tensor, *, names: frozenset[str] | None = None) -> Weights:
        """∇_w f_w0(x) of every example, [n, c, *shape of the parameter]; of the named parameters only, if any are named."""
        moving = {name: value for name, value in self.weights.items() if names is None or name in names}

        def one(weights: Weights, row: Tensor) -> Tensor:
            return self._run({**self.weights, **weights}, row[None])[0]

        with torch.no_grad():
            found: Weights = vmap(jacrev(one), in_dims=(None, 0))(moving, inputs)
        return found

    def _run(self, weights: Weights, inputs: Tensor) -> Tensor:
        outputs: Tensor = functional_call(self.model, weights, (inputs,))
        if outputs.ndim != 2:
            raise InvalidInput(
                f"The model's outputs have the shape {tuple(outputs.shape)}.", expected="[examples, outputs]"
            )
        return outputs


def parts(rows: Tensor, size: int) -> list[Tensor]:
    """Rows, `size` at a time."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _load_forward_mode() -> None:
    """Torch loads what its forward mode needs when it is first used, and warns of its own deprecated parts then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jvp(torch.sin, (torch.zeros(1),), (torch.zeros(1),))


# -- what is learned ------------------------------------------------------------------------------------------------------


def one_hot(labels: Tensor, classes: int, *, scale: float) -> Tensor:
    """a·onehot(y): labels [n] → targets [n, c]. Raises `InvalidInput` for a label that is no class.

    >>> one_hot(torch.tensor([1]), 2, scale=15.0)
    tensor([[ 0., 15.]])
    """
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise InvalidInput(
            f"Labels from {int(labels.min())} to {int(labels.max())}.", expected=f"from 0 to {classes - 1}"
        )
    return scale * functional.one_hot(labels, classes).to(torch.get_default_dtype())


def squared(*, scale: float) -> Loss:
    """‖f − a·onehot(y)‖². Where f_w0(x) is left out, the scale a is that of the outputs, and changes no decision."""

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return (outputs - one_hot(labels, outputs.shape[1], scale=scale).to(outputs.dtype)).square().sum(dim=1)

    return loss


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """For comparison: convex in Δw, but its Hessian moves, and far examples stop to count."""
    return functional.cross_entropy(outputs, labels, reduction="none")


# -- before: what the tangent is taken of -----------------------------------------------------------------------------------


def leaky(model: nn.Module, *, slope: float = 0.2) -> nn.Module:
    """A copy for pre-training whose ReLUs are leaky: a unit that is off has no tangent.

    Raises `InvalidInput` where no `nn.ReLU` is found (a call of `functional.relu` inside a model cannot be seen).

    >>> leaky(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))[1]
    LeakyReLU(negative_slope=0.2)
    """
    copied, found = deepcopy(model), 0
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(parent, name, nn.LeakyReLU(slope, inplace=child.inplace))
                found += 1
    if not found:
        raise InvalidInput(
            "The model has no nn.ReLU module.", expected="one to replace", fix="use the module, not functional.relu"
        )
    return copied


def probe(features: Tensor, targets: Tensor, *, ridge: float) -> nn.Linear:
    """The linear probe as an output layer: ridge regression from features [n, d] to targets [n, c]; the bias is not shrunk.

    As an output layer it makes Δw = 0 a good answer, and leaves nothing to a seed.
    """
    if len(features) != len(targets) or not len(features):
        raise InvalidInput(f"{len(features)} rows of features, {len(targets)} targets.", expected="as many, at least 1")
    if not ridge > 0:
        raise InvalidInput(f"ridge is {ridge}.", expected="more than 0")
    rows, goals = features.detach().double(), targets.double()
    middle, goal = rows.mean(dim=0), goals.mean(dim=0)
    rows = rows - middle
    gram = rows.T @ rows + ridge * torch.eye(rows.shape[1], dtype=rows.dtype)
    weight = torch.linalg.solve(gram, rows.T @ (goals - goal)).T
    layer = nn.Linear(rows.shape[1], goals.shape[1], dtype=features.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(goal - weight @ middle)
    return layer


# -- learning -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Course:
    """How long and in which order: `steps` batches, drawn without replacement, every pass in an order of the `seed`'s.

    The rate falls to 0 along a cosine where it is not `constant`; of the last share `averaged` of the steps, Δw is the mean.
    Where it is `forgetful`, a step follows its batch's gradient alone.
    """

    steps: int
    batch: int = 64
    seed: int = 0
    constant: bool = False
    averaged: float = 0.0
    forgetful: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was learned: Δw, and the mean loss of each step's batch without the ridge."""

    change: Weights
    losses: list[float] = field(repr=False)


Optimiser = Callable[[list[Tensor]], torch.optim.Optimizer]
Progress = Callable[[int, Weights], None]
"""Called after every step with its number, from 1, and Δw; raise from it to stop."""


def fit(
    linear: Linearised,
    inputs: Tensor,
    labels: Tensor,
    *,
    loss: Loss,
    ridge: float,
    optimiser: Optimiser,
    course: Course,
    precondition: Callable[[Weights], Weights] | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Minimise (Σ loss + `ridge`·‖Δw‖²) / n from Δw = 0 with any optimiser of torch: inputs [n, …], labels [n].

    `precondition` maps a gradient to a step's direction, as `segue.evolve.kronecker.Preconditioner` does. Raises `InvalidInput`
    when there are no examples, when inputs and labels do not match, and when the loss is no longer finite.

    >>> linear = Linearised(nn.Linear(2, 2))
    >>> course = Course(steps=5, batch=2)
    >>> options = {"loss": squared(scale=1.0), "ridge": 0.1, "course": course}
    >>> optimiser = lambda changes: torch.optim.SGD(changes, lr=0.1)
    >>> fitted = fit(linear, torch.eye(2), torch.tensor([0, 1]), optimiser=optimiser, **options)
    >>> fitted.losses[-1] < fitted.losses[0]
    True
    """
    if len(inputs) != len(labels) or not len(labels):
        raise InvalidInput(f"{len(inputs)} inputs and {len(labels)} labels.", expected="as many, at least 1")
    change = linear.zeros()
    stepping = optimiser(list(change.values()))
    rates = [group["lr"] for group in stepping.param_groups]
    averaging = _Mean(after=course.steps - ceil(course.averaged * course.steps))
    gradients, losses = _Gradients(linear, inputs, reduced=not course.forgetful), []
    for step, rows in enumerate(_batches(len(labels), course), 1):
        share = 1.0 if course.constant else _cosine((step - 1) / course.steps)
        for group, rate in zip(stepping.param_groups, rates, strict=True):
            group["lr"] = rate * share
        value, slopes = _slopes(loss, linear(inputs[rows], change), labels[rows])
        if not value == value or value == float("inf"):
            raise InvalidInput(f"The loss is {value} at step {step}.", expected="a number", fix="lower the rate")
        gradient = gradients.at(rows, slopes)
        gradient = {name: row + 2 * ridge / len(labels) * change[name] for name, row in gradient.items()}
        direction = gradient if precondition is None else precondition(gradient)
        for name, moving in change.items():
            moving.grad = direction[name]
        stepping.step()
        losses.append(value)
        averaging.add(step, change)
        if progress is not None:
            progress(step, change)
    for moving in change.values():
        moving.grad = None
    return Fitted(averaging.value(change), losses)


def sharpness(
    linear: Linearised,
    inputs: Tensor,
    *,
    precondition: Callable[[Weights], Weights] | None = None,
    iterations: int = 20,
    seed: int = 0,
) -> float:
    """The largest eigenvalue of the squared loss's Hessian, preconditioned if it is, by power iteration on inputs [n, …].

    It never moves, so a rate need not be searched: descent is stable below 2 over it, with momentum m below 2(1 + m) over it.

    >>> linear = Linearised(nn.Linear(1, 1, bias=False))
    >>> round(sharpness(linear, torch.tensor([[1.0], [3.0]])), 3)  # 2 · (1 + 9) / 2
    10.0
    """
    generator = torch.Generator().manual_seed(seed)
    vector = {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype) for name, value in linear.weights.items()
    }
    found = 0.0
    for _ in range(iterations):
        length = torch.stack([value.square().sum() for value in vector.values()]).sum().sqrt()
        vector = {name: value / length for name, value in vector.items()}
        slopes = linear(inputs, vector) - linear.at_rest(inputs)
        vector = linear.pull_back(inputs, 2 / len(inputs) * slopes)
        if precondition is not None:
            vector = precondition(vector)
        found = float(torch.stack([value.square().sum() for value in vector.values()]).sum().sqrt())
    return found


class _Mean:
    """The running mean of Δw after a step."""

    def __init__(self, after: int) -> None:
        self._after, self._seen = after, 0
        self._mean: Weights = {}

    def add(self, step: int, change: Weights) -> None:
        if step <= self._after:
            return
        self._seen += 1
        if not self._mean:
            self._mean = {name: value.clone() for name, value in change.items()}
        for name, value in change.items():
            self._mean[name] += (value - self._mean[name]) / self._seen

    def value(self, last: Weights) -> Weights:
        return self._mean or last


class _Gradients:
    """The gradient of the mean loss, from a batch's slopes at a time, with those remembered of all others if `reduced`."""

    def __init__(self, linear: Linearised, inputs: Tensor, *, reduced: bool) -> None:
        self._linear, self._inputs, self._reduced = linear, inputs, reduced
        self._slopes: Tensor | None = None
        self._mean = linear.zeros()

    def at(self, rows: Tensor, slopes: Tensor) -> Weights:
        """`slopes` [b, c] are those of the batch's mean loss."""
        if not self._reduced:
            return self._linear.pull_back(self._inputs[rows], slopes)
        if self._slopes is None:
            self._slopes = slopes.new_zeros(len(self._inputs), slopes.shape[1])
        own = slopes * len(rows)
        news = self._linear.pull_back(self._inputs[rows], own - self._slopes[rows])
        self._slopes[rows] = own
        gradient = {name: self._mean[name] + row / len(rows) for name, row in news.items()}
        for name, row in news.items():
            self._mean[name] += row / len(self._inputs)
        return gradient


def _slopes(loss: Loss, outputs: Tensor, labels: Tensor) -> tuple[float, Tensor]:
    """The batch's mean loss, and its slopes by the outputs."""
    outputs = outputs.detach().requires_grad_()
    value = loss(outputs, labels).mean()
    (slopes,) = torch.autograd.grad(value, outputs)
    return value.item(), slopes


def _batches(count: int, course: Course) -> list[Tensor]:
    generator = torch.Generator().manual_seed(course.seed)
    found: list[Tensor] = []
    while len(found) < course.steps:
        found += parts(torch.randperm(count, generator=generator), course.batch)
    return found[: course.steps]


def _cosine(share: float) -> float:
    return 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * share))))
