"""A preconditioner for linearised models: the Hessian of each layer as a Kronecker product, computed once.

Sources: Martens and Grosse, "Optimizing Neural Networks with Kronecker-factored Approximate Curvature" (ICML 2015); Grosse and
Martens, "A Kronecker-factored approximate Fisher matrix for convolution layers" (ICML 2016); one of the three ingredients of LQF
(CVPR 2021). A layer's weights meet their input a at each of T places (one, for a linear layer), and every output of the model
has a slope g by what the layer makes there. With

    A = mean over examples of Σ_t a_t a_tᵀ,        G = mean over examples of (1/T) Σ_t Σ_outputs g_t g_tᵀ,

the layer's part of the squared loss's Hessian, 2·Σ over outputs of ∇fᵀ∇f, is near to 2·(A ⊗ G).

Where we differ: a linear model's Hessian is constant, so the factors are computed once, with every output's slopes in place of
sampled labels. Once is also cheap enough to measure the Hessian along the product's eigenvectors (George et al., "Fast
Approximate Natural Gradient Descent in a Kronecker-factored Eigenbasis", NeurIPS 2018): slopes at the places of an image point
the same way, which the product does not know. Damping is added to the eigenvalues, exactly, instead of to either factor; a bias
is one more input that is always 1; what is neither `Linear` nor an ungrouped `Conv2d` has its Hessian's diagonal.

Shapes: a layer has p outputs and q inputs (of a convolution, channels times the kernel's places, and one more for the bias).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from segue.errors import InvalidInput
from segue.evolve.linear import Linearised, Weights, parts


@dataclass(frozen=True, slots=True)
class Factors:
    """Of one layer: `inputs` A [q, q] and `outputs` G [p, p]."""

    inputs: Tensor
    outputs: Tensor


def factors(linear: Linearised, inputs: Tensor, *, batch: int = 250) -> dict[str, Factors]:
    """Both factors of every layer that has them, by its name, from examples [n, …]: some thousands are enough.

    Raises `InvalidInput` without examples.

    >>> found = factors(Linearised(nn.Linear(3, 2)), torch.eye(3))
    >>> found[""].inputs.shape, found[""].outputs.tolist()
    (torch.Size([4, 4]), [[1.0, 0.0], [0.0, 1.0]])
    """
    if not len(inputs):
        raise InvalidInput("There are no examples to compute curvature from.", expected="at least one")
    layers = _layers(linear)
    sums: dict[str, Factors] = {}
    for part in parts(inputs, batch):
        for name, (met, slopes) in _passed(linear, layers, part).items():
            places = met.shape[1]
            first = torch.einsum("ntq,ntr->qr", met, met) / len(inputs)
            second = torch.einsum("cntp,cntr->pr", slopes, slopes) / (places * len(inputs))
            before = sums.get(name)
            sums[name] = (
                Factors(first, second) if before is None else Factors(before.inputs + first, before.outputs + second)
            )
    return sums


class Preconditioner:
    """Gradients → directions: (2·A ⊗ G + damping)⁻¹ for each layer, by the factors' eigenvectors.

    `corrected`: the product's eigenvalues are replaced by what the Hessian really has along its eigenvectors, from the first
    `examined` examples. `damping` stands in the units of the Hessian of the mean loss: at least the ridge's share 2λ/n, which is
    exactly part of it. Raises `InvalidInput` when it is not above 0, without examples, and where curvature is not a number.
    """

    def __init__(
        self,
        linear: Linearised,
        inputs: Tensor,
        *,
        damping: float,
        corrected: bool = True,
        examined: int = 500,
        batch: int = 50,
    ) -> None:
        if not damping > 0:
            raise InvalidInput(f"damping is {damping}.", expected="more than 0", fix="pass at least 2λ/n")
        found = factors(linear, inputs, batch=batch)
        if not all(
            bool(torch.isfinite(one.inputs).all() and torch.isfinite(one.outputs).all()) for one in found.values()
        ):
            raise InvalidInput("A layer's curvature is not a number.", expected="finite inputs and weights")
        self._biased = {name: layer.bias is not None for name, layer in _layers(linear).items() if name in found}
        self._bases = {name: _Basis.of(one) for name, one in found.items()}
        own = frozenset(linear.weights) - {_of(name, part) for name in self._biased for part in ("weight", "bias")}
        self._diagonal = {name: torch.zeros_like(linear.weights[name]) for name in sorted(own)}
        self._values = {name: torch.zeros_like(basis.values) for name, basis in self._bases.items()}
        names, inputs = frozenset(linear.weights) if corrected else own, inputs[:examined]
        for part in parts(inputs, batch) if names else ():
            self._measure(linear.jacobian(part, names=names), len(inputs), corrected)
        if not corrected:
            self._values = {name: basis.values for name, basis in self._bases.items()}
        self._damping = damping

    def __call__(self, gradient: Weights) -> Weights:
        """The direction, with the names and shapes of the gradient."""
        found = {name: gradient[name] / (2 * value + self._damping) for name, value in self._diagonal.items()}
        for name, basis in self._bases.items():
            turned = basis.turn(self._rows(name, gradient)) / (2 * self._values[name] + self._damping)
            rows = basis.turn_back(turned)
            if self._biased[name]:
                rows, found[_of(name, "bias")] = rows[:, :-1], rows[:, -1]
            found[_of(name, "weight")] = rows.reshape(gradient[_of(name, "weight")].shape)
        return {name: found[name] for name in gradient}

    def _measure(self, jacobian: Weights, examples: int, corrected: bool) -> None:
        """Adds the part of the Hessian's diagonal: in a layer's eigenvectors, or of parameters by themselves."""
        for name, sums in self._diagonal.items():
            sums += jacobian[name].square().sum(dim=(0, 1)) / examples
        for name, basis in self._bases.items() if corrected else ():
            turned = basis.turn(self._rows(name, jacobian, leading=2))
            self._values[name] += turned.square().sum(dim=(0, 1)) / examples

    def _rows(self, name: str, of: Weights, *, leading: int = 0) -> Tensor:
        """A layer's weight and bias as one matrix [.., p, q]."""
        rows = of[_of(name, "weight")].flatten(leading + 1)
        if self._biased[name]:
            rows = torch.cat([rows, of[_of(name, "bias")][..., None]], dim=-1)
        return rows


@dataclass(frozen=True, slots=True)
class _Basis:
    """Of one layer: eigenvectors of both factors, and the eigenvalues of their product [p, q]."""

    inputs: Tensor
    outputs: Tensor
    values: Tensor

    @classmethod
    def of(cls, found: Factors) -> "_Basis":
        of_inputs, inputs = torch.linalg.eigh(found.inputs)
        of_outputs, outputs = torch.linalg.eigh(found.outputs)
        return cls(inputs, outputs, torch.outer(of_outputs.clamp(min=0), of_inputs.clamp(min=0)))

    def turn(self, rows: Tensor) -> Tensor:
        return self.outputs.T @ rows @ self.inputs

    def turn_back(self, rows: Tensor) -> Tensor:
        return self.outputs @ rows @ self.inputs.T


Layer = nn.Linear | nn.Conv2d


def _layers(linear: Linearised) -> dict[str, Layer]:
    """Those whose weight and bias, if there is one, all may change."""
    return {
        name: module
        for name, module in linear.model.named_modules()
        if (isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and _plain(module)))
        and _of(name, "weight") in linear.weights
        and (module.bias is None or _of(name, "bias") in linear.weights)
    }


def _plain(layer: nn.Conv2d) -> bool:
    return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _of(layer: str, part: str) -> str:
    return f"{layer}.{part}" if layer else part


def _passed(linear: Linearised, layers: dict[str, Layer], inputs: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """What each layer meets, [n, T, q], and every output's slopes by what it makes of it, [c, n, T, p]."""
    met: dict[str, list[Tensor]] = {name: [] for name in layers}
    made: dict[str, list[Tensor]] = {name: [] for name in layers}

    def watch(name: str, layer: Layer) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
            met[name].append(_rows_in(layer, given[0].detach()))
            made[name].append(out)

        return layer.register_forward_hook(hook)

    handles = [watch(name, layer) for name, layer in layers.items()]
    try:
        with torch.enable_grad():
            outputs = linear.model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    flat = [(name, out) for name, outs in made.items() for out in outs]
    slopes: dict[str, list[list[Tensor]]] = {name: [] for name in layers}
    for column in range(outputs.shape[1]):
        found = torch.autograd.grad(
            outputs[:, column].sum(), [out for _, out in flat], retain_graph=True, materialize_grads=True
        )
        for name, layer in layers.items():
            of_layer = [_rows_out(layer, slope) for (owner, _), slope in zip(flat, found, strict=True) if owner == name]
            slopes[name].append(of_layer)
    return {name: (torch.cat(met[name], 1), _stacked(slopes[name])) for name in layers if met[name]}


def _stacked(slopes: Sequence[Sequence[Tensor]]) -> Tensor:
    return torch.stack([torch.cat(list(of_output), dim=1) for of_output in slopes])


def _rows_in(layer: Layer, given: Tensor) -> Tensor:
    """What the weights meet at every place, with a 1 for the bias: [n, T, q]."""
    if isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)  # `_plain`
        at = {"dilation": layer.dilation, "padding": layer.padding, "stride": layer.stride}
        rows = functional.unfold(given, layer.kernel_size, **at).transpose(1, 2)
    else:
        rows = given.reshape(len(given), -1, given.shape[-1])
    return rows if layer.bias is None else functional.pad(rows, (0, 1), value=1.0)


def _rows_out(layer: Layer, made: Tensor) -> Tensor:
    """[n, T, p]."""
    if isinstance(layer, nn.Conv2d):
        return made.flatten(2).transpose(1, 2)
    return made.reshape(len(made), -1, made.shape[-1])
