"""Names and folders for output in the settings: checked before anything is written. Never imports torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from mt.terminal import escaped

LONGEST_NAME = 255  # of a file or folder, in bytes, on most file systems
LONGEST_GIVEN = 240  # for one part of a name in the settings: leaves room for endings such as .multirun
SWEEP = ".multirun"  # the suffix of a multirun's folder, so that it is never the folder of a run

NAMES = ("name", "data.name")
FOLDERS = ("folder", "data.prepared", "doctor.folder")
# What Hydra would read as a number or a boolean: 1e3, 1_000, 007, inf, true
NOT_TEXT = re.compile(r"[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][+-]?\d[\d_]*)?|[+-]?inf|nan|true|false", re.IGNORECASE)


def as_typed(argument: str) -> str:
    """An override for the command line, with quotes where a name would become a number: name='1e3'."""
    key, is_given, value = argument.partition("=")
    if not is_given or key.lstrip("+") not in (*NAMES, *FOLDERS):
        return argument
    parts = [f"'{part}'" if NOT_TEXT.fullmatch(part) else part for part in value.split(",")]
    return f"{key}={','.join(parts)}"


def check_typed(overrides: Sequence[str]) -> None:
    """`check_places` for overrides given as text: Hydra makes folders of a multirun before it reads them."""
    for override in overrides:
        key, _, value = override.partition("=")
        key = key.lstrip("+")
        if key not in (*NAMES, *FOLDERS) or re.search(r"[\[\](){}$\\]", value):
            continue
        for part in value.split(","):
            part = part.strip("'\"")
            _check(key, None if part == "null" else part)


def check_places(settings: Mapping[str, Any]) -> None:
    """Raises ValueError for a name or an output folder that is missing, is not text, or cannot be created.

    A name is a path inside its parent folder, and must not lead out of it. `folder` may be any path that ends in a
    name; that of a multirun is not the folder of a run.
    """
    for key in (*NAMES, *FOLDERS):
        *path, last = key.split(".")
        node: Any = settings
        for part in path:
            node = node.get(part) if isinstance(node, Mapping) else None
        if isinstance(node, Mapping) and last in node and not (key == "doctor.folder" and node[last] is None):
            _check(key, node[last])
    for group in ("variants", "tasks"):
        for name in settings.get(group) or ():
            if "/" in str(name):
                raise ValueError(f"{group}: a name ({shown(name)}) must not contain '/': it names a folder")
            _check(f"{group}: a name", str(name), is_name=True)


def sweep_folder(folder: str, job: str) -> str:
    """The folder of a multirun's job whose setting `folder` is this one."""
    return f"{folder.rstrip('/')}{SWEEP}/{job}"


def job_folder(overrides: str) -> str:
    """The folder of a multirun's job, named after its own overrides; shortened to what file systems allow."""
    name = overrides.replace("/", ".").replace("'", "") or "defaults"
    whole = name.encode()
    if len(whole) <= LONGEST_NAME:
        return name
    digest = sha256(whole).hexdigest()[:12]
    return f"{whole[: LONGEST_NAME - 13].decode(errors='ignore')}-{digest}"


def shown(value: Any, most: int = 60) -> str:
    """A value for a message: on one line, control characters escaped, shortened where it is long."""
    text = escaped(str(value))
    return text if len(text) <= most else f"{text[:most]}…"


def _check(key: str, value: Any, *, is_name: bool | None = None) -> None:
    is_name = key in NAMES if is_name is None else is_name
    if value is None:
        raise ValueError(f"{key} must be text, not null")
    if not isinstance(value, str):
        raise ValueError(f"{key} ({shown(value)}) must be text: write it in quotes")
    if not value.strip():
        raise ValueError(f"{key} ({value!r}) must not be empty")
    if any(not letter.isprintable() for letter in value):
        raise ValueError(f"{key} ({shown(value)}) must not contain control characters")
    parts = value.split("/")
    if is_name and any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{key} ({shown(value)}) must be a name, or names with '/' between them, without '.' and '..'")
    ends = [part for part in parts if part]
    if not ends or ends[-1] in (".", ".."):
        raise ValueError(f"{key} ({shown(value)}) must end in the name of a folder")
    longest = max(len(part.encode(errors="surrogateescape")) for part in parts)
    if longest > LONGEST_GIVEN:
        raise ValueError(f"{key} ({shown(value)}) has a part of {longest} bytes, must have {LONGEST_GIVEN} at most")
    if key in ("name", "folder") and ends[-1].endswith(SWEEP):
        raise ValueError(f"{key} ({shown(value)}) must not end in {SWEEP}: that is the folder of a multirun")
