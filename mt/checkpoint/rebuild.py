"""From a config node to the object that it describes: `_target_` plus constructor, the one mechanism of the project."""

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from mt.checkpoint.migrations import current_target
from mt.listing import listed

Made = TypeVar("Made")

# what a value must be, by the type names of an annotation; other types are left to the target
PLAIN = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "None": "null"}


def build(node: Any, **extra: Any) -> Any:
    """Calls the `_target_` of `node` with its other keys, nested nodes first; `extra` adds or replaces arguments.

    A node with `_partial_: true` gives a factory that takes the remaining arguments later. Lists and mappings without a
    `_target_` are built item by item; anything else is returned as it is.

    Raises ValueError for a target outside `mt.` (a checkpoint may be untrusted), one that does not exist, for
    an unknown key (naming the nearest known one), for a missing key, and for a value of another plain type.
    """
    if isinstance(node, (list, tuple)):
        return [build(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    if "_target_" not in node:
        return {key: build(value) for key, value in node.items()}
    target = find_target(node["_target_"])
    arguments = {key: build(value) for key, value in node.items() if key not in ("_target_", "_partial_")} | extra
    parameters = inspect.signature(target).parameters
    _check_names(node["_target_"], parameters, arguments)
    _check_types(f"{node['_target_'].rpartition('.')[2]}.", parameters, arguments)
    if not node.get("_partial_"):
        _check_complete(node["_target_"], parameters, arguments)
    return partial(target, **arguments) if node.get("_partial_") else target(**arguments)


def call(target: Callable[..., Made], node: Any, name: str, /, **extra: Any) -> Made:
    """Calls `target` with the settings `node` (and `extra`), whose full name is `name` ("" for the top level).

    Raises ValueError, naming the setting, as `build` does.
    """
    if not isinstance(node, Mapping):
        raise ValueError(f"{name} ({node}) must be settings by name")
    parameters, arguments = inspect.signature(target).parameters, {**node, **extra}
    place = name or "the top level"
    _check_names(place, parameters, arguments)
    _check_types(f"{name}." if name else "", parameters, arguments)
    _check_complete(place, parameters, arguments)
    return target(**arguments)


def find_target(path: str) -> Any:
    """The class or function called `path`. Raises ValueError unless it is public and defined inside the package mt."""
    module_name, _, name = current_target(str(path)).rpartition(".")
    # A bare prefix test would let "mt.x.os.system" reach outside the package: the module must be ours, the name public,
    # and the object defined in our package, not merely imported there.
    if not module_name.startswith("mt.") or name.startswith("_"):
        raise ValueError(f"_target_ ({path}) must be a public class or function inside the package mt")
    try:
        target = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"_target_ ({path}) does not exist: {error}") from error
    if not callable(target) or not str(getattr(target, "__module__", "")).startswith("mt."):
        raise ValueError(f"_target_ ({path}) must be a public class or function inside the package mt")
    return target


def targets(node: Any) -> Iterator[str]:
    """Every `_target_` in a node, at any depth."""
    children = node.values() if isinstance(node, Mapping) else node if isinstance(node, (list, tuple)) else ()
    if isinstance(node, Mapping) and "_target_" in node:
        yield str(node["_target_"])
    for child in children:
        yield from targets(child)


def _check_names(path: str, parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]) -> None:
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in arguments:
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; it takes {listed(parameters)}"
            raise ValueError(f"{path} has no setting {name}{hint}")


def _check_complete(path: str, parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]) -> None:
    for name, parameter in parameters.items():
        is_named = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if is_named and parameter.default is parameter.empty and name not in arguments:
            raise ValueError(f"{path} needs the setting {name}")


def _check_types(prefix: str, parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        annotation = inspect.formatannotation(parameters[name].annotation) if name in parameters else ""
        listed = re.fullmatch(r"(?:[\w.]+\.)?Sequence\[(\w+)\]", annotation.strip("'"))
        if re.fullmatch(r"(?:[\w.]+\.)?Mapping\[[^|]*\]", annotation.strip("'")) and not isinstance(value, Mapping):
            raise ValueError(f"{prefix}{name} ({value}) must be settings by name")
        words = [word.strip() for word in (listed[1] if listed else annotation.strip("'")).split("|")]
        if not set(words) <= PLAIN.keys():
            continue
        if listed and not isinstance(value, (list, tuple)):
            raise ValueError(f"{prefix}{name} ({value}) must be a list")
        for item in value if listed else [value]:
            if not any(_is_plain(item, word) for word in words):
                rule = " or ".join(PLAIN[word] for word in words)
                raise ValueError(f"{prefix}{name} ({item}) must be {rule}")


def _is_plain(value: Any, word: str) -> bool:
    if word == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if word == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None if word == "None" else isinstance(value, {"str": str, "bool": bool}[word])
