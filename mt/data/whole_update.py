"""What the parts of an update share: an objective that relates pairs of the whole update works on one part at a time.

GradCache (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): a first pass
without gradients makes what all parts share; the loss of all rows gives the gradient of each row; a second pass leads
that gradient into the model, part by part. What is learned does not depend on how parts, batches and ranks divide it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Rows = Mapping[str, Tensor]  # by name: dimension 0 are rows, such as pairs; the same number under each name
LossOfRows = Callable[[Rows], dict[str, Tensor]]  # a value of each row by name: "minimised" and others
Gather = Callable[[Tensor], list[Tensor]]  # the tensors of all ranks, in their order


class WholeUpdate:
    """The rows of all parts: first recorded part by part (`is_complete` is false), then known to each of them."""

    def __init__(self, num_parts: int, *, rank: int = 0, gather: Gather = lambda tensor: [tensor]):
        self.parts = [PartOfUpdate(self, number) for number in range(num_parts)]
        self.is_complete = False
        self._rank, self._gather = rank, gather
        self._recorded: dict[str, dict[int, Rows]] = {}
        self._starts: dict[str, list[int]] = {}  # of each part's rows in those of all ranks
        self._all: dict[str, dict[str, Tensor]] = {}
        self._found: dict[str, tuple[dict[str, Tensor], dict[str, Tensor]]] = {}

    def record(self, name: str, part: int, rows: Rows) -> None:
        """Keeps the rows of a part, without their gradients."""
        self._recorded.setdefault(name, {})[part] = {key: value.detach() for key, value in rows.items()}

    def complete(self) -> None:
        """After the first pass over all parts, on every rank: exchanges the rows."""
        for name, of_parts in self._recorded.items():
            own = [of_parts[part.number] for part in self.parts]
            counts = [len(next(iter(rows.values()))) for rows in own]
            of_ranks = {key: self._gather(concatenated([rows[key] for rows in own])) for key in own[0]}
            before = sum(map(len, next(iter(of_ranks.values()))[: self._rank]))
            self._starts[name] = [before + sum(counts[:number]) for number in range(len(counts))]
            self._all[name] = {key: concatenated(values) for key, values in of_ranks.items()}
        self._recorded.clear()
        self.is_complete = True

    def rows(self, name: str) -> Rows:
        """Those of all parts, without gradients."""
        return self._all[name]

    def share(self, name: str, part: int, own: Rows, loss_of: LossOfRows) -> dict[str, Tensor]:
        """The values of this part's rows in the loss of all rows; "minimised" leads the gradient into `own`."""
        if name not in self._found:
            self._found[name] = self._values_and_gradients(name, loss_of)
        values, gradients = self._found[name]
        start = self._starts[name][part]
        mine = slice(start, start + len(next(iter(own.values()))))
        found = {key: value[mine] for key, value in values.items()}
        through = torch.zeros_like(found["minimised"])
        for key, gradient in gradients.items():
            inside = gradient[mine][tuple(map(slice, own[key].shape))]  # without padding of longer parts
            product = own[key] * inside
            through = through + (product.flatten(1).sum(dim=1) if product.dim() > 1 else product)
        # the value is the loss of these rows, the gradient that of all rows by them
        return {**found, "minimised": found["minimised"] + through - through.detach()}

    def _values_and_gradients(self, name: str, loss_of: LossOfRows) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        rows = {key: value.clone().requires_grad_(value.is_floating_point()) for key, value in self._all[name].items()}
        learned = {key: value for key, value in rows.items() if value.requires_grad}
        with torch.enable_grad():
            values = loss_of(rows)
            gradients = torch.autograd.grad(
                values["minimised"].sum(), list(learned.values()), allow_unused=True, materialize_grads=True
            )
        return {key: value.detach() for key, value in values.items()}, dict(zip(learned, gradients, strict=True))


@dataclass(frozen=True, eq=False)
class PartOfUpdate:
    """A part of an update, by its number on this rank."""

    whole: WholeUpdate
    number: int


def over_the_update(part: PartOfUpdate | None, name: str, own: Rows, loss_of: LossOfRows) -> dict[str, Tensor]:
    """Values of `own` rows in the loss of all rows of the update, "minimised" with its gradient.

    `part` is None where this is the whole update. `name` tells apart what an objective shares. Every part must call
    this with the same names, even if it has no row.
    """
    if part is not None and not part.whole.is_complete:
        part.whole.record(name, part.number, own)
    elif part is not None:
        return part.whole.share(name, part.number, own, loss_of)
    return loss_of(own)


def rows_of_update(part: PartOfUpdate | None, name: str, own: Rows) -> Rows:
    """The rows of all parts of the update, without gradients; in the first pass these alone. As `over_the_update`."""
    if part is not None and part.whole.is_complete:
        return part.whole.rows(name)
    if part is not None:
        part.whole.record(name, part.number, own)
    return {key: value.detach() for key, value in own.items()}


def concatenated(tensors: Sequence[Tensor]) -> Tensor:
    """Along dimension 0; the others are padded with zeros to the longest."""
    sizes = [max(of_dimension) for of_dimension in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    padded = []
    for tensor in tensors:
        missing = [size - have for size, have in zip(sizes, tensor.shape[1:], strict=True)]
        amounts = [amount for size in reversed(missing) for amount in (0, size)]
        padded.append(torch.nn.functional.pad(tensor, amounts) if any(missing) else tensor)
    return torch.cat(padded)
