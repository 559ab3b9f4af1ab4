"""The folder of one training run: its settings, its steps, and whether it is finished."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from torch import Tensor

from mt.checkpoint.card import ModelCard
from mt.checkpoint.changes import (
    CONFIG,
    MAX_CONFIG_BYTES,
    Change,
    changes,
    check_allowed,
    check_changes,
    is_among,
    read_settings,
)
from mt.checkpoint.folder import TrainingState, write_checkpoint
from mt.checkpoint.manifest import has_manifest
from mt.checkpoint.migrations import FORMATS
from mt.checkpoint.run_contents import (
    LINKS,
    STEP,
    foreign,
    foreign_in_step,
    is_name_of_run,
    own_links,
    written_by_runs,
)
from mt.checkpoint.small_file import read_json, read_yaml, yaml_text
from mt.checkpoint.sound_step import has_tokenizers, is_stripped, problem_of_model, read_sound, was_validated
from mt.checkpoint.steps import numbered_steps, step_number
from mt.data.lock import FILE_NAME as LOCK
from mt.data.lock import Lock, alone, lock
from mt.data.tokenizer import TokenizerPair
from mt.data.whole_folder import link_whole, remove_unfinished, remove_whole, write_json, write_whole
from mt.listing import listed

log = logging.getLogger(__name__)


class RunFolder:
    """`path` with config.yaml, metrics.jsonl, step folders, and the links `best` and `last`.

    An opened folder is locked for this process until it is closed, or the process ends.
    """

    def __init__(self, path: Path):
        self.path = path
        self._card: ModelCard | None = None
        self._tokenizers: TokenizerPair | None = None
        self._priors: Path | None = None
        self._lock: Lock | None = None
        self._spared: set[Path] = set()  # steps kept because of foreign files, already reported
        self._may_change_tokenizer = False

    @classmethod
    def open(
        cls,
        path: str | Path,
        settings: Mapping[str, Any],
        *,
        fresh: bool = False,
        allow: Sequence[str] = (),
        same_corpus: Collection[str] = (),
    ) -> RunFolder:
        """Creates the folder, or opens the one of an earlier start; `fresh` first deletes what that start wrote.

        Settings that `allow` names, in full or by their group, may have changed since; their old values are kept in
        changes.jsonl. `same_corpus`: older versions' fingerprints of the corpus. Raises ValueError when others
        have changed, naming each with its old and new value; when another process has the folder open; and when files
        that no run wrote would be deleted or written over.
        """
        run = cls(Path(path))
        run.path.mkdir(parents=True, exist_ok=True)
        run._check_ours()
        run._lock = lock(run.path)
        try:
            if fresh:
                run._clear()
            run._start(settings, allow, same_corpus)
        except BaseException:
            run.close()
            raise
        return run

    def close(self) -> None:
        """Unlocks the folder for other processes."""
        self._lock = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_ours(self) -> None:
        """Raises ValueError where foreign files have names which a run would write."""
        links = [str(path.relative_to(self.path)) for path in own_links(self.path)]
        if links:
            raise ValueError(f"{self.path}: {listed(links)} must not be a link: the run would write outside its folder")
        if ((self.path / LOCK).exists() and self._config.exists()) or numbered_steps(self.path):
            return
        others = written_by_runs(self.path)
        if others:
            raise ValueError(
                f"{self.path} holds {listed(others)}, but no run: choose another folder, or name=…, so that they are"
                " not written over"
            )

    def _clear(self) -> None:
        """Deletes what an earlier run wrote, and nothing else: by the list in `run_contents`.

        The steps of `best` and `last` are deleted late and the settings last: a partly deleted run still loads, or has
        no step, and the same command continues deleting. Raises ValueError, before anything is deleted, where
        there are files that no run wrote.
        """
        if not (self._config.exists() or numbered_steps(self.path)):
            return  # not the folder of a run
        others = foreign(self.path, self._tests())
        if others:
            raise ValueError(
                f"{self.path} holds {listed(others)}, which the run did not write: fresh=true deletes nothing. Move"
                " them elsewhere, or choose another name=…"
            )
        best, last = (folder and folder.name for folder in (self.best, self.last))

        def turn(path: Path) -> int:
            if path.name in ("last", last) and last != best:
                return 2
            order = {"last": 2, best: 4, "best": 3, "metrics.jsonl": 5, self._config.name: 6}
            return order.get(path.name, 1 if STEP.fullmatch(path.name) else 0)

        try:
            remove_unfinished(self.path, is_name_of_run)
            for path in sorted(self.path.iterdir(), key=turn):
                if path.is_dir() and not path.is_symlink():
                    remove_whole(path)
                elif path.name != LOCK:
                    path.unlink()
        except OSError as error:
            raise ValueError(
                f"{error.filename}: {error.strerror}: the run in {self.path} is partly deleted; the same command"
                " continues deleting"
            ) from error

    def _tests(self) -> list[str]:
        """The names of the test sets in the settings of the earlier start."""
        try:
            data = read_yaml(self._config, max_bytes=MAX_CONFIG_BYTES).get("data")
            tests = data.get("tests") if isinstance(data, dict) else None
        except (OSError, ValueError):
            return []
        return [str(name) for name in tests] if isinstance(tests, dict) else []

    def _start(self, settings: Mapping[str, Any], allow: Sequence[str], same_corpus: Collection[str]) -> None:
        remove_unfinished(self.path, is_name_of_run)
        for folder in (*numbered_steps(self.path), *([self.best] if self.best else [])):
            with alone(folder):
                remove_unfinished(folder)
        for name in LINKS:
            if (self.path / name).is_dir() and not (self.path / name).is_symlink():
                raise ValueError(f"{self.path / name} must be a link to a step, not a folder: copy runs with cp -a")
        before = read_settings(self.path) if self._config.exists() else {}
        begun = before.pop("begun", FORMATS[CONFIG])
        if before and before.get("corpus", None if begun == 1 else "") in (None, *same_corpus):
            before["corpus"] = settings.get("corpus")
        check_allowed(allow, before, settings)
        self._may_change_tokenizer = any(name.split(".")[0] in ("tokenizer", "data", "corpus") for name in allow)
        if numbered_steps(self.path):
            if not self._config.exists():
                raise ValueError(
                    f"{self.path} holds checkpoints but no config.yaml, which says how they were made:"
                    " choose another name=…, or fresh=true to delete them"
                )
            self._accept(changes(before, settings), allow)
        else:
            begun = FORMATS[CONFIG]
        if any(before.get(name) != settings.get(name) for name in ("search", "final", "scores")):
            self.reopen()  # the final evaluation is repeated, with these settings
        write_whole(self._config, yaml_text({"format": FORMATS[CONFIG], "begun": begun, **settings}))

    def _accept(self, found: Sequence[Change], allow: Sequence[str]) -> None:
        check_changes(self.path, found, allow)
        allowed = [change for change in found if is_among(change.name, allow)]
        if not allowed:
            return
        step = step_number((self.path / "last").readlink()) if (self.path / "last").is_symlink() else None
        records = [{"step": step, "name": change.name, "old": change.old, "new": change.new} for change in allowed]
        path = self.path / "changes.jsonl"
        kept = path.read_text("utf-8") if path.exists() else ""
        # before the new settings: killed in between, the next start finds the same changes and notes them again
        write_whole(path, kept + "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records))
        log.info("%s continues with changed settings: %s", self.path, listed(allowed, between="; ", longest=300))

    def describe(self, card: ModelCard, tokenizers: TokenizerPair, priors: Path | None = None) -> None:
        """Sets the description of the model, the tokenizers and the file of priors that steps are saved with."""
        self._card, self._tokenizers, self._priors = card, tokenizers, priors

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """Raises ValueError where the steps hold other tokenizers, unless a change of them was allowed."""
        if self._may_change_tokenizer or self.last is None or has_tokenizers(self.last, tokenizers):
            return
        raise ValueError(
            f"{self.last}: its tokenizer differs from the one in the prepared corpus (data.prepared), which another"
            " version of this program or of its libraries made: choose another name=…, or fresh=true to start again"
        )

    @property
    def last(self) -> Path | None:
        """The step folder to resume from."""
        return self._step("last")

    @property
    def best(self) -> Path | None:
        """The step folder with the best validation."""
        return self._step("best")

    def resume_point(self) -> tuple[Path, TrainingState] | None:
        """The newest sound step folder to resume from: `last`, else the one before it, and so on.

        Every byte of it, and of `best`, is compared with its manifest. Damaged ones are renamed to `damaged_…`, with a
        warning, and the links then point to sound ones. None where there is no checkpoint yet; raises ValueError, and
        changes nothing, where there are some but none is sound.
        """
        problems: dict[Path, str] = {}
        for folder in self._candidates():
            problem, state = read_sound(folder)
            if state is not None:
                for other, why in problems.items():
                    if is_stripped(other):  # only cannot be resumed from: the model may be sound
                        log.warning("%s: using %s instead", why, folder.name)
                    else:
                        self._set_aside(other, why, folder)
                if self.last != folder.resolve():
                    self._point(["last"], folder)
                self._mend_best(folder)
                return folder, state
            problems[folder] = problem
        if problems:
            first, more = next(iter(problems.values())), len(problems) - 1
            raise ValueError(
                f"{self.path} has no checkpoint to resume from: {first}{f' (and {more} more)' if more else ''}:"
                " choose another name=…, or fresh=true to delete it and start again"
            )
        return None

    def _candidates(self) -> list[Path]:
        """Step folders from `last` down, then newer ones: of a run killed before `last` was updated."""
        found = numbered_steps(self.path)[::-1]
        link = self.path / "last"
        last = step_number(link.readlink()) if link.is_symlink() else None
        if link.is_symlink() and not link.exists():
            log.warning("%s points to %s, which does not exist", link, link.readlink())
        return found if last is None else sorted(found, key=lambda folder: (step_number(folder) or 0) > last)

    def _set_aside(self, folder: Path, problem: str, instead: Path) -> None:
        """Renames a damaged folder, so that it is not used by mistake, and warns."""
        places = (folder.with_name(f"damaged_{folder.name}{f'_{n}' if n > 1 else ''}") for n in count(1))
        place = folder.rename(next(place for place in places if not place.exists()))
        log.warning("%s: using %s instead, and the folder is now %s", problem, instead.name, place.name)

    def _mend_best(self, resumed: Path) -> None:
        """Makes `best` point to a sound folder: where its own is lost, to the newest validated one."""
        best = self.best
        problem = problem_of_model(best) if best is not None and has_manifest(best) else ""
        if best is not None and not problem:
            return
        newest = step_number(resumed) or 0
        sound = (
            step
            for step in self.steps()[::-1]
            if step != best and (step_number(step) or 0) <= newest and not problem_of_model(step)
        )
        instead = next(sound, None)
        if problem and best is not None:
            self._set_aside(best, problem, instead or resumed)
        if instead is not None:
            log.warning("%s is lost: it now points to the newest sound step, %s", self.path / "best", instead.name)
            self._point(["best"], instead)
        else:
            (self.path / "best").unlink(missing_ok=True)

    def save(
        self,
        name: str,
        weights: Mapping[str, Tensor],
        scores: Mapping[str, Any],
        training: TrainingState | None = None,
        *,
        is_best: bool = False,
    ) -> Path:
        """Writes the step folder `name`; with a training state it becomes `last`.

        Raises OSError when writing fails; checkpoints and links are then unchanged.
        """
        assert self._card is not None and self._tokenizers is not None, "describe comes before save"
        folder = self.path / name
        write_checkpoint(
            folder,
            card=self._card,
            weights=weights,
            tokenizers=self._tokenizers,
            scores=scores,
            training=training,
            priors=self._priors,
        )
        # `best` before `last`: killed in between, the run resumes from the step before and comes here again
        becomes = {"best": is_best or (scores and self.best is None), "last": training is not None}
        self._point([name for name, is_wanted in becomes.items() if is_wanted], folder)
        return folder

    def steps(self) -> list[Path]:
        """The numbered step folders that were validated, oldest first; a step saved after a signal is not validated."""
        return [folder for folder in numbered_steps(self.path) if was_validated(folder)]

    def prune(self, keep_last: int) -> None:
        """Deletes all step folders except the newest `keep_last` validated ones, `last` and `best`."""
        kept = {self.best, self.last, *(path.resolve() for path in self.steps()[-keep_last:])}
        for path in numbered_steps(self.path):
            others = foreign_in_step(path) if path.resolve() not in kept else []
            if others and path not in self._spared:
                self._spared.add(path)
                log.warning("%s is kept: it holds %s, which the run did not write", path, listed(others))
            if path.resolve() not in kept and not others:
                remove_whole(path)

    @property
    def scores(self) -> dict[str, Any] | None:
        """The final scores of a finished run; None before."""
        path = self.path / "scores.json"
        return read_json(path) if path.exists() else None

    def reopen(self) -> None:
        """Removes the mark of a finished run, because it continues."""
        (self.path / "scores.json").unlink(missing_ok=True)

    def finish(self, scores: Mapping[str, Any]) -> None:
        """Writes the final scores, which mark the run as finished."""
        write_json(self.path / "scores.json", scores)

    @property
    def _config(self) -> Path:
        return self.path / CONFIG

    def _point(self, names: Sequence[str], folder: Path) -> None:
        link_whole([self.path / name for name in names], folder.name)

    def _step(self, name: str) -> Path | None:
        """The target of a link, if it is a folder in the run: only the run's own files may be written or deleted."""
        folder = (self.path / name).resolve()
        return folder if folder.is_dir() and folder.parent == self.path.resolve() else None
