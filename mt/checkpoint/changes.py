"""The settings of a run's earlier start: how this start differs, and which differences are allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt.checkpoint.migrations import as_begun, lifted
from mt.checkpoint.small_file import read_yaml
from mt.checkpoint.steps import numbered_steps
from mt.listing import MOST, listed

CONFIG = "config.yaml"  # of a run folder
MAX_CONFIG_BYTES = 2**26  # it may list the files of a corpus

# May always differ when a run is resumed: how long it runs and what is shown, not what it computes.
MAY_CHANGE = (
    "trainer.max_steps",
    "trainer.max_epochs",
    "trainer.time_budget",
    "trainer.patience",
    "trainer.keep_last",
    "trainer.log_every",
    "trainer.device",
    "tracker",
    "search",
    "final",
    "fresh",
    "resume",
)


# Settings that came later, with the value that changes nothing: a run without them began as if it had these.
ADDED = {
    "data.images._target_": "mt.data.images.settings.ImageSettings",
    "data.images.size": 64,
    "data.images.fit": "pad",
    "data.images.folder": None,
    "batches.noise.untranslated": 0.0,
    "tokenizer.source_normalization": None,
    "data.sounds._target_": "mt.data.sounds.settings.SoundSettings",
    "data.sounds.rate": 8000,
    "data.sounds.seconds": 1.5,
    "data.sounds.folder": None,
    "batches.masking._target_": "mt.data.masking.Masking",
    **{f"batches.masking.{kind}": 0.0 for kind in ("colours", "nouns", "all")},
    "batches.masking.sources": None,
    "batches.views._target_": "mt.data.images.views.Views",
    **{f"batches.views.{change}": 0.0 for change in ("shift", "zoom", "mirror")},
    **{f"data.train.{language}.corpus.twins": False for language in ("english", "german")},  # of drawn scenes
}


def read_settings(run: Path) -> dict[str, Any]:
    """The settings of a run in the current format, and `begun`, the format in which its first start wrote them.

    Raises ValueError for a file that is damaged, or that a newer version of this program wrote.
    """
    path = run / CONFIG
    settings = lifted(CONFIG, read_yaml(path, max_bytes=MAX_CONFIG_BYTES), path)
    return {name: value for name, value in settings.items() if name != "format"}


def settings_to_resume(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of this start; where the run in their `folder` began with other defaults, with those (a warning
    says which), so that the same command resumes it."""
    run, allow = Path(settings["folder"]), settings["resume"]["allow"]
    if settings["fresh"] or not (run / CONFIG).is_file() or not numbered_steps(run):
        return settings
    return as_begun(read_settings(run), settings, allow if isinstance(allow, (list, tuple)) else ())


@dataclass(frozen=True)
class Change:
    """A setting by its full name, with its old and new value; None where it is absent."""

    name: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.name} was {self.old}, is {self.new}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Every setting that differs, by name, of settings in the current format (`mt.checkpoint.migrations`)."""
    before, now = dict(_flat(old)), dict(_flat(new))
    before = {**{name: value for name, value in ADDED.items() if name in now}, **before}
    found = (Change(name, before.get(name), now.get(name)) for name in sorted(before.keys() | now.keys()))
    return [change for change in found if change.old != change.new]


def is_among(name: str, beginnings: Sequence[str]) -> bool:
    """Whether a setting is one of those named, or inside one: `optimizer` covers `optimizer.betas`."""
    return any(name == beginning or name.startswith(f"{beginning}.") for beginning in beginnings)


def check_changes(run: Path, found: Sequence[Change], allow: Sequence[str]) -> None:
    """Raises ValueError naming each change that is neither in MAY_CHANGE nor in `allow`, and what to do."""
    refused = [change for change in found if not is_among(change.name, (*MAY_CHANGE, *allow))]
    if not refused:
        return
    can_be_given = [
        change for change in refused if change.name != "corpus" and not isinstance(change.old, (list, tuple))
    ]
    given = " ".join(f"{change.name}={_as_override(change.old)}" for change in can_be_given)
    names = [change.name for change in refused]
    # a group covers all settings inside it
    named = names if len(names) <= MOST else dict.fromkeys(name.partition(".")[0] for name in names)
    raise ValueError(
        f"{run} was started with other settings ({listed(refused, between='; ', longest=300)}): choose another name=…,"
        f" or fresh=true to delete it and start again, or resume.allow=[{','.join(named)}] to continue with these"
        + (f", or, to continue unchanged, {given}" if given and len(names) <= MOST else "")
    )


def _as_override(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def check_allowed(allow: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raises ValueError unless `allow` is a list of names, or groups, of settings that the run has or had."""
    if isinstance(allow, str) or not isinstance(allow, Sequence):
        raise ValueError(f"resume.allow ({allow}) must be a list: resume.allow=[{allow}]")
    known = sorted({*_names(old), *_names(new)})
    for name in map(str, allow):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"resume.allow ({name}) must be a setting of the run, or a group of its settings{hint}")


def _flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def _names(node: Any, prefix: str = "") -> Iterator[str]:
    if prefix:
        yield prefix
    for key, value in node.items() if isinstance(node, Mapping) else ():
        yield from _names(value, f"{prefix}.{key}" if prefix else str(key))
