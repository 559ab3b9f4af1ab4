"""The state of a learner as plain tensors, and back: what a checkpoint adds to the model for an exact resume."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import torch
from torch import Tensor

from mt.checkpoint.folder import TrainingState
from mt.checkpoint.outline import kept_tensors
from mt.training.distributed import copy_whole, whole
from mt.training.learner import Learner
from mt.training.limits import Position
from mt.training.optimizer import state_needed

log = logging.getLogger(__name__)
OPTIMIZER, OBJECTIVE = "optimizer", "objective"  # first parts of names of tensors


def collect_weights(learner: Learner) -> dict[str, Tensor]:
    """The weights to save, on the CPU of the first rank; empty on the other ranks, which must call this too."""
    return _collected(learner, kept_tensors(learner.model))


def collect_state(learner: Learner, position: Position) -> TrainingState:
    """What resuming needs in addition to those weights, on the first rank; its tensors are empty on other ranks.

    `weights.NAME` are there where an average is kept, as the checkpoint's model then holds the average;
    `objective.NAME` are the objective's own weights.
    """
    has_average = bool(learner.average.tensors())
    kept = kept_tensors(learner.model) if has_average else {}
    tensors = {f"weights.{name}": tensor for name, tensor in kept.items()}
    tensors |= {f"average.{name}": tensor for name, tensor in learner.average.tensors().items()}
    own = _own_weights(learner)
    tensors |= own
    state = learner.optimizer.state
    for name, parameter in {**dict(learner.model.named_parameters()), **own}.items():
        for key, value in state[parameter].items() if parameter in state else ():
            tensors[f"{OPTIMIZER}.{key}.{name}"] = torch.as_tensor(value)
    # weights and average are swapped while the checkpoint is written
    return TrainingState(tensors=_collected(learner, tensors, copy=has_average), numbers=asdict(position))


def restore_state(learner: Learner, state: TrainingState | None) -> Position:
    """Restores what `collect_state` gave the first rank (other ranks pass nothing); returns its position.

    What another optimizer held of a parameter is left out, with a warning: the parameter goes on as if it were new to
    the present one. An average that the state does not have begins at the weights, with a warning. Raises ValueError
    for a state that does not fit the model, or the objective.
    """
    ranks, model, average = learner.ranks, learner.model, learner.average
    position = Position.from_dict(ranks.broadcast_object(state.numbers if state else None))
    tensors = state.tensors if state else {}
    shapes = ranks.broadcast_object({name: (tuple(t.shape), t.dtype) for name, t in tensors.items()})
    kept, averages, own = kept_tensors(model), average.tensors(), _own_weights(learner)
    is_averaged = any(name.startswith("average.") for name in shapes)
    _check_fits(shapes, kept, averages if is_averaged else {}, own)
    owners = kept | own
    left_out = _held_by_another(learner.optimizer, owners, shapes)
    if left_out and ranks.is_first:
        log.warning(
            "the checkpoint's training state is of another optimizer: %d weights begin without what it held of them",
            len(left_out),
        )
    if averages and not is_averaged and ranks.is_first:
        log.warning("the checkpoint's training state has no average of the weights: it begins at the weights")
    average.num_updates = position.ema_updates
    learner.optimizer.state.clear()  # of updates after this state, when a training goes back to it
    with torch.no_grad():
        for name, (shape, dtype) in shapes.items():
            tensor = ranks.broadcast(tensors.get(name), shape, dtype)
            group, _, rest = name.partition(".")
            if group == "weights":
                copy_whole(kept[rest], tensor)
            elif group == "average" and averages:
                copy_whole(averages[rest], tensor)
            elif group == OBJECTIVE:
                copy_whole(own[name], tensor)
            elif group == OPTIMIZER:
                key, _, owner = rest.partition(".")
                if owners[owner].requires_grad and owner not in left_out:  # one that is frozen now has no state
                    _restore_moment(learner.optimizer, owners[owner], key, tensor)
        for name, average_of_one in ({} if is_averaged else averages).items():
            average_of_one.copy_(kept[name])  # in shards alike
    return position


def _held_by_another(
    optimizer: torch.optim.Optimizer, owners: Mapping[str, Tensor], stored: Iterable[str]
) -> frozenset[str]:
    """Names of the parameters of which a training state does not hold what this optimizer needs."""
    held: dict[str, set[str]] = {}
    for name in stored:
        if name.startswith(f"{OPTIMIZER}."):
            _, key, owner = name.split(".", 2)
            held.setdefault(owner, set()).add(key)
    needed = {id(one): state_needed(optimizer, group) for group in optimizer.param_groups for one in group["params"]}
    return frozenset(name for name, keys in held.items() if not needed.get(id(owners[name]), set()) <= keys)


def _own_weights(learner: Learner) -> dict[str, Tensor]:
    """The weights of the objective, by names that no parameter of a model has."""
    return {f"{OBJECTIVE}.{name}": parameter for name, parameter in learner.updater.weights.named_parameters()}


def _collected(learner: Learner, tensors: Mapping[str, Tensor], *, copy: bool = False) -> dict[str, Tensor]:
    """The whole tensors on the CPU of the first rank, one after the other; nothing on the other ranks."""
    collected = {}
    for name, tensor in tensors.items():
        tensor = whole(tensor.detach())
        if learner.ranks.is_first:
            collected[name] = tensor.clone() if copy and tensor.device.type == "cpu" else tensor.cpu()
    return collected


def _restore_moment(optimizer: torch.optim.Optimizer, parameter: Tensor, key: str, tensor: Tensor) -> None:
    own = optimizer.state[parameter]
    if tensor.ndim == 0:  # the step count; the fused form reads it on the parameter's device
        own[key] = tensor.to(parameter.device, copy=True)
    else:
        own[key] = torch.empty_like(parameter, dtype=tensor.dtype)
        copy_whole(own[key], tensor)


def _check_fits(
    shapes: Mapping[str, tuple[tuple[int, ...], torch.dtype]],
    kept: Mapping[str, Tensor],
    averages: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
) -> None:
    """Raises ValueError unless a training state holds what model and objective need, and nothing that they lack."""
    owners = {**kept, **own}
    needed = {f"{group}.{name}" for group, names in (("weights", kept), ("average", averages)) for name in names}
    needed |= own.keys()
    does_not_fit = "the checkpoint's training state does not fit model and objective"
    advice = "; a run with another objective of this kind begins anew, with start_from=CHECKPOINT"
    for name in sorted(needed - shapes.keys()):
        raise ValueError(f"{does_not_fit}: it lacks {name}{advice if name in own else ''}")
    for name, (shape, _) in shapes.items():
        group = name.partition(".")[0]
        owner = name.split(".", {OPTIMIZER: 2, OBJECTIVE: 0}.get(group, 1))[-1]
        if owner not in owners or (shape and shape != tuple(owners[owner].shape)):
            is_own = owner.startswith(f"{OBJECTIVE}.")
            raise ValueError(f"{does_not_fit}: {name} of shape {list(shape)}{advice if is_own else ''}")
