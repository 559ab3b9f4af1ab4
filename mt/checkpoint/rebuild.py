"""From a config node to the object that it describes: `_target_` plus constructor, the one mechanism of the project."""

import difflib
import importlib
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any


def build(node: Any, **extra: Any) -> Any:
    """Calls the `_target_` of `node` with its other keys, nested nodes first; `extra` adds or replaces arguments.

    A node with `_partial_: true` gives a factory that takes the remaining arguments later. Lists and mappings without a
    `_target_` are built item by item; anything else is returned as it is.

    Raises ValueError for a target outside `mt.` (a checkpoint may come from a stranger), one that does not exist, and
    for a key that the target does not take, naming the nearest one that it does.
    """
    if isinstance(node, (list, tuple)):
        return [build(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    if "_target_" not in node:
        return {key: build(value) for key, value in node.items()}
    target = _find(node["_target_"])
    arguments = {key: build(value) for key, value in node.items() if key not in ("_target_", "_partial_")} | extra
    _check_names(node["_target_"], target, arguments)
    return partial(target, **arguments) if node.get("_partial_") else target(**arguments)


def _find(path: str) -> Any:
    module_name, _, name = str(path).rpartition(".")
    # A bare prefix test would let "mt.x.os.system" walk out of the package: the module must be ours, the name public,
    # and the thing defined in our package, not merely imported there.
    if not module_name.startswith("mt.") or name.startswith("_"):
        raise ValueError(f"_target_ ({path}) must be a public class or function inside the package mt")
    try:
        target = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"_target_ ({path}) does not exist: {error}") from error
    if not callable(target) or not str(getattr(target, "__module__", "")).startswith("mt."):
        raise ValueError(f"_target_ ({path}) must be a public class or function inside the package mt")
    return target


def _check_names(path: str, target: Any, arguments: Mapping[str, Any]) -> None:
    parameters = inspect.signature(target).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in arguments:
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; it takes {', '.join(parameters)}"
            raise ValueError(f"{path} has no setting {name}{hint}")
