"""Muon: momentum whose matrices are made orthogonal, so that every direction of a weight learns at one speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from mt.training.optimizer import ADAM_STATE, check_betas

# N matrices, R rows, C columns of a weight

# of the polynomial a x + b x^3 + c x^5 that brings singular values near 1, from Jordan et al. 2024
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
TINY = 1e-7  # added to norms
AS_ADAM = 0.2  # root mean square of AdamW's steps (Liu et al. 2025), so that both have the same learning rates


def muon(
    *modules: nn.Module,
    momentum: float = 0.95,
    betas: Sequence[float] = (0.9, 0.98),
    epsilon: float = 1e-9,
    weight_decay: float = 0.0,
) -> Muon:
    """Muon for weights of linear layers and convolutions, AdamW for all the rest: embeddings, output, norms, biases.

    (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the rates as in Liu et al. 2025,
    "Muon is scalable for LLM training".) Raises ValueError for settings out of range and for a model in shards.
    """
    check_betas(betas, epsilon, weight_decay)
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"optimizer.momentum ({momentum}) must be from 0 to below 1")
    trained = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    if any(isinstance(parameter, DTensor) for parameter in trained):
        raise ValueError("optimizer=muon needs whole matrices: trainer.shard must be false")
    hidden = {id(weight) for module in modules for weight in _hidden_weights(module)}
    groups = [
        {"params": [p for p in trained if id(p) in hidden], "weight_decay": weight_decay, "momentum": momentum},
        {"params": [p for p in trained if id(p) not in hidden and p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if id(p) not in hidden and p.ndim <= 1], "weight_decay": 0.0},
    ]
    return Muon(groups, lr=0.0, betas=(betas[0], betas[1]), eps=epsilon, fused=True)


class Muon(torch.optim.AdamW):
    """AdamW, with Muon in groups that have a `momentum`.

    momentum_RC = momentum * momentum_RC + gradient_RC, of which Nesterov's look ahead is made orthogonal and scaled to
    the size of AdamW's steps: 0.2 * sqrt(max(R, C)). A convolution is a matrix of outputs x all else.
    """

    def state_needed(self, group: Mapping[str, Any]) -> frozenset[str]:
        """See `mt.training.optimizer.state_needed`."""
        return frozenset({"momentum"}) if "momentum" in group else ADAM_STATE

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # there is no closure
        everything = self.param_groups
        for group in everything:
            if "momentum" in group:
                self._step_matrices(group)
        self.param_groups = [group for group in everything if "momentum" not in group]
        try:
            super().step()
        finally:
            self.param_groups = everything

    def _step_matrices(self, group: dict[str, Any]) -> None:
        learned = [parameter for parameter in group["params"] if parameter.grad is not None]
        ahead = []
        for parameter in learned:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
            ahead.append(parameter.grad.add(state["momentum"], alpha=group["momentum"]).flatten(1))
        for parameter, step_RC in zip(learned, orthogonal(ahead), strict=True):
            if group["weight_decay"]:
                parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
            size = group["lr"] * AS_ADAM * max(step_RC.shape) ** 0.5
            parameter.add_(step_RC.reshape(parameter.shape), alpha=-size)


def orthogonal(matrices: Sequence[Tensor]) -> list[Tensor]:
    """For each matrix, nearly the closest one with orthonormal rows (columns, if it is tall), by an iteration.

    Singular values become about 0.7 to 1.2. The iteration x <- (a + b G + c G^2) x with G = x xᵀ is done with G
    alone, whose side is the shorter one, and for all matrices of that side together; x is multiplied once at the end.
    """
    wide = [x if x.shape[0] <= x.shape[1] else x.T for x in matrices]
    wide = [x / (x.norm() + TINY) for x in wide]
    found: list[Tensor] = list(wide)
    for side in sorted({len(x) for x in wide}):
        places = [place for place, x in enumerate(wide) if len(x) == side]
        factors = _factors(torch.stack([wide[place] @ wide[place].T for place in places]))
        for place, factor_RR in zip(places, factors, strict=True):
            found[place] = factor_RR @ wide[place]
    return [y if x.shape[0] <= x.shape[1] else y.T for x, y in zip(matrices, found, strict=True)]


def _factors(gram_NRR: Tensor) -> Tensor:
    """factors_NRR that bring matrices with these products x xᵀ to orthonormal rows."""
    factors_NRR = power_NRR = _power(gram_NRR)
    for _ in range(ITERATIONS - 1):
        gram_NRR = power_NRR @ (gram_NRR @ power_NRR)
        power_NRR = _power(gram_NRR)
        factors_NRR = power_NRR @ factors_NRR
    return factors_NRR


def _power(gram_NRR: Tensor) -> Tensor:
    """a + b G + c G^2."""
    a, b, c = NEWTON_SCHULZ
    power_NRR = torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=b, alpha=c)
    power_NRR.diagonal(dim1=-2, dim2=-1).add_(a)
    return power_NRR


def _hidden_weights(model: nn.Module) -> Iterator[Tensor]:
    """Weights between hidden states: of linear layers and convolutions, but not of the projection to the vocabulary."""
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    output = getattr(model, "output", None)
    for module in model.modules():
        if not isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)) or module is output:
            continue
        if id(module.weight) not in embeddings:
            yield module.weight
