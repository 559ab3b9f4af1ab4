"""Descriptions (YAML, JSON) from untrusted sources: read only if they are small, plain and shallow."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from mt.number import check_numbers

MAX_BYTES = {  # by file extension; weights are bounded by the model that they belong to
    ".yaml": 2**18,
    ".json": 2**20,
    ".model": 2**25,  # tokenizers: 250,000 pieces take about five million bytes
}
MAX_DEPTH = 50


def check_file(path: Path, max_bytes: int | None = None) -> None:
    """Raises ValueError for anything but a regular file (a link, a device), or one too large for its kind."""
    about = path.lstat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError(f"{path} must be a plain file, not a link or a device")
    most = max_bytes or MAX_BYTES.get(path.suffix, about.st_size)
    if about.st_size > most:
        raise ValueError(f"{path} has {about.st_size} bytes, must have {most} at most")


def check_files(folder: Path, names: Iterable[str]) -> None:
    """`check_file` of those that exist, broken links included."""
    for name in names:
        if os.path.lexists(folder / name):
            check_file(folder / name)


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file. Raises ValueError for anything else."""
    return _read(path, json.loads)


def read_yaml(path: Path, *, max_bytes: int | None = None) -> dict[str, Any]:
    """The mapping in a YAML file without aliases, its numbers finite. Raises ValueError for anything else."""
    body = _read(path, lambda text: yaml.load(text, Loader=_PlainLoader), max_bytes)
    check_numbers(body, str(path))
    return body


def yaml_text(body: Any) -> str:
    """YAML that `read_yaml` reads: without aliases, a repeated value is written twice."""
    return yaml.dump(body, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


def _read(path: Path, parse: Callable[[str], Any], max_bytes: int | None = None) -> dict[str, Any]:
    check_file(path, max_bytes)
    try:
        body = parse(path.read_text("utf-8"))
    except OSError:
        raise
    except Exception as error:  # parsers raise errors of many types on untrusted bytes, RecursionError among them
        raise ValueError(f"{path} cannot be read: {type(error).__name__} {error}") from error
    if not isinstance(body, dict):
        raise ValueError(f"{path} must hold names with values, not {type(body).__name__}")
    return body


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases, by which a few lines can expand to millions of values, and deep nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*) must be written out")
        if self.depth >= MAX_DEPTH:
            raise yaml.YAMLError(f"values are nested more than {MAX_DEPTH} deep")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
