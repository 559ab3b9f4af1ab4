"""Muon: matrices of layers move in orthogonal steps, everything else as by AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of Newton-Schulz: steep at 0, so that small singular values grow quickly
ROUNDS = 5
LEAST_NORM = 1e-7
LIKE_ADAMW = 0.2  # the root mean square of AdamW's steps, so that one rate suits both (Liu et al. 2025)


def muon(
    model: nn.Module,
    *,
    momentum: float = 0.95,
    betas: Sequence[float] = (0.9, 0.98),
    epsilon: float = 1e-9,
) -> torch.optim.Optimizer:
    """Muon (Jordan et al. 2024) for matrices inside the layers; AdamW for embeddings, the output, biases and norms.

    The schedule's rate is that of both: an orthogonal step is scaled to the size of AdamW's (Liu et al. 2025).
    """
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"optimizer.momentum ({momentum}) must be from 0 to below 1")
    if len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
        raise ValueError(f"optimizer.betas ({list(betas)}) must be two numbers from 0 to below 1")
    if not epsilon >= 0.0:
        raise ValueError(f"optimizer.epsilon ({epsilon}) must be 0 or more")
    linear = (one for name, one in model.named_modules() if isinstance(one, nn.Linear) and name != "output")
    inner = {id(one.weight) for one in linear}
    learned = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in learned if id(p) in inner]
    others = [p for p in learned if id(p) not in inner]
    groups = [{"params": matrices, "is_orthogonal": True}, {"params": others, "is_orthogonal": False}]
    return Muon(groups, momentum=momentum, betas=(betas[0], betas[1]), epsilon=epsilon)


class Muon(torch.optim.Optimizer):
    """See `muon`; groups with `is_orthogonal` hold matrices alone. State: "momentum", or AdamW's own three."""

    def __init__(
        self, groups: list[dict[str, Any]], *, momentum: float, betas: tuple[float, float], epsilon: float
    ) -> None:
        super().__init__([group for group in groups if group["params"]], {"lr": 0.0})
        self._momentum, self._betas, self._epsilon = momentum, betas, epsilon

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # an updater has the gradients already
        for group in self.param_groups:
            move = self._move_orthogonally if group["is_orthogonal"] else self._move_like_adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    move(parameter, parameter.grad, group["lr"])

    def _move_orthogonally(self, matrix: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[matrix]
        mean = state.setdefault("momentum", torch.zeros_like(matrix))
        mean.lerp_(gradient, 1 - self._momentum)
        ahead = gradient.lerp(mean, self._momentum)  # Nesterov's momentum
        size = LIKE_ADAMW * max(matrix.shape) ** 0.5
        matrix.sub_(orthogonal(ahead), alpha=rate * size)

    def _move_like_adamw(self, parameter: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        first, second = self._betas
        state["exp_avg"].lerp_(gradient, 1 - first)
        state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        mean = state["exp_avg"] / (1 - first ** state["step"])
        root = (state["exp_avg_sq"] / (1 - second ** state["step"])).sqrt_().add_(self._epsilon)
        parameter.addcdiv_(mean, root, value=-rate)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the orthogonal matrix next to it: its singular values become 0.7 to 1.2, its vectors stay.

    Newton-Schulz by products alone, in float32. A zero matrix stays zero.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    found = (matrix.T if is_tall else matrix).float()
    found = found / found.norm().clamp(min=LEAST_NORM)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        squared = found @ found.T
        found = a * found + (b * squared + c * squared @ squared) @ found
    return (found.T if is_tall else found).to(matrix.dtype)
