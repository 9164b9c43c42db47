"""Adaptive steps, by torchdiffeq."""

import torch
from torch import Tensor

from segue.encode.dynamics.flow import Flow
from segue.errors import Unavailable


class Adaptive:
    """torchdiffeq's adaptive Runge–Kutta (Dormand and Prince) to a tolerance, with its continuous adjoint or through torch's
    graph. Slow, and exact to the tolerance only: the reference for the fixed grids. Needs the extra `ode`."""

    def __init__(self, *, tolerance: float = 1e-6, adjoint: bool = True) -> None:
        self.tolerance, self.adjoint = tolerance, adjoint

    def solve(self, flow: Flow, anchor: Tensor, times: Tensor) -> Tensor:
        """Offsets from `anchor` [r, d] at increasing `times` [n] ≥ 0: [n, r, d]. Zero at time 0.

        Raises `Unavailable` where torchdiffeq is not installed.
        """
        try:
            import torchdiffeq  # noqa: PLC0415
        except ImportError as error:
            raise Unavailable(
                "The adaptive solver is not installed.",
                expected="the package torchdiffeq",
                fix="pip install 'segue[ode]', or use Sequential or Parallel",
            ) from error

        def slope(time: Tensor, offsets: Tensor) -> Tensor:
            found: Tensor = flow(time[None], anchor, offsets[None])[0]
            return found

        since = times.to(anchor) if float(times[0]) == 0 else torch.cat([times.new_zeros(1), times]).to(anchor)
        settings = {"rtol": self.tolerance, "atol": self.tolerance, "method": "dopri5"}
        if self.adjoint:
            parameters = (anchor, *flow.parameters())
            solved = torchdiffeq.odeint_adjoint(
                slope, torch.zeros_like(anchor), since, adjoint_params=parameters, **settings
            )
        else:
            solved = torchdiffeq.odeint(slope, torch.zeros_like(anchor), since, **settings)
        offsets: Tensor = solved[-len(times) :]
        return offsets
