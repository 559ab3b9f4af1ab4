"""Schedule-free AdamW: an average of the weights takes the place of a rate that falls (Defazio et al. 2024, "The Road
Less Scheduled"), so that a run need not know when it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mt.training.ema import MovingAverage
from mt.training.optimizer import check_betas, groups_of


def schedule_free(
    model: nn.Module,
    *beside: nn.Module,
    betas: Sequence[float] = (0.9, 0.98),
    epsilon: float = 1e-9,
    weight_decay: float = 0.0,
) -> ScheduleFree:
    """`ScheduleFree` with weight decay on matrices only; the average is that of the model, without what is beside it.

    Raises ValueError for settings out of range and for a model in shards.
    """
    check_betas(betas, epsilon, weight_decay)
    if not betas[0] > 0.0:
        raise ValueError(f"optimizer.betas ({list(betas)}) must begin with a number above 0: it holds the average")
    if any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        raise ValueError("optimizer=schedule_free needs whole weights: trainer.shard must be false")
    return ScheduleFree(model, groups_of([model, *beside], weight_decay), betas=(betas[0], betas[1]), eps=epsilon)


class ScheduleFree(torch.optim.Optimizer):
    """Three points for each weight: gradients are taken at y, steps are made by z, and x, their mean, is the result.

    With the gradient g at y, its running square v (corrected for its start), and the rate r of the update:

        z <- z - r (g / (sqrt(v) + epsilon) + weight_decay y)
        x <- (1 - c) x + c z, where c = r^2 / (sum of r^2 so far)
        y <- (1 - beta) z + beta x

    The model's weights are y. `average` holds x, which is validated and saved in their place; of parameters in `groups`
    that are not the model's, x is state. The sum of r^2 is state of each parameter, so that a checkpoint has all that
    an exact resume needs.
    """

    needs_constant_rate = True  # after warm-up

    def __init__(self, model: nn.Module, groups: list[dict[str, Any]], *, betas: tuple[float, float], eps: float):
        super().__init__(groups, {"lr": 0.0, "betas": betas, "eps": eps})
        self.average = SteppedAverage(model)

    def state_needed(self, group: Mapping[str, Any]) -> frozenset[str]:
        """See `mt.training.optimizer.state_needed`."""
        return frozenset({"z", "square", "step", "rates"})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # there is no closure
        for group in self.param_groups:
            learned = [parameter for parameter in group["params"] if parameter.grad is not None]
            if learned:
                self._step(learned, group)

    def _step(self, y: list[Tensor], group: dict[str, Any]) -> None:
        rate, (beta, beta_square), epsilon = group["lr"], group["betas"], group["eps"]
        states = [self.state[parameter] for parameter in y]
        for parameter, state in zip(y, states, strict=True):
            if not state:
                state["z"], state["square"] = parameter.clone(), torch.zeros_like(parameter)
                if parameter not in self.average:
                    state["x"] = parameter.clone()
                # of the parameter alone: one that is frozen or without a gradient for a while stays where it is
                state["step"], state["rates"] = (
                    torch.zeros((), dtype=torch.float64),
                    torch.zeros((), dtype=torch.float64),
                )
            state["step"] += 1
            state["rates"] += rate**2
        gradients = [parameter.grad for parameter in y if parameter.grad is not None]
        z, squares = ([state[name] for state in states] for name in ("z", "square"))
        x = [
            self.average.of(parameter) if parameter in self.average else state["x"]
            for parameter, state in zip(y, states, strict=True)
        ]
        torch._foreach_mul_(squares, beta_square)
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - beta_square)
        roots = torch._foreach_div(squares, [1.0 - beta_square ** float(state["step"]) for state in states])
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, epsilon)
        steps = torch._foreach_div(gradients, list(roots))
        if group["weight_decay"]:
            torch._foreach_add_(steps, y, alpha=group["weight_decay"])
        torch._foreach_add_(z, steps, alpha=-rate)
        shares = [rate**2 / float(state["rates"]) if rate else 0.0 for state in states]
        for x_one, z_one, share in zip(x, z, shares, strict=True):
            x_one.lerp_(z_one, share)
        torch._foreach_copy_(y, torch._foreach_lerp(z, x, beta))


class SteppedAverage(MovingAverage):
    """An average that the optimizer's own steps move."""

    def __init__(self, model: nn.Module):
        super().__init__(model, 0.0)
        parameters = list(model.parameters())
        self._average = [parameter.detach().clone() for parameter in parameters]
        self._places = {id(parameter): place for place, parameter in enumerate(parameters)}

    def __contains__(self, parameter: Tensor) -> bool:
        return id(parameter) in self._places

    def of(self, parameter: Tensor) -> Tensor:
        """The average of one parameter, to be changed in place."""
        return self._average[self._places[id(parameter)]]
