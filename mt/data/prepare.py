"""From settings to data that a training can read: clean, train the tokenizer, encode; each stage only when it must.

The folder afterwards: valid.en, valid.de, test.en, ... (untouched lines), clean/train and clean/valid (text stores),
tokenizer/, encoded/train and encoded/valid (id stores), ledger.json, and prepared.json with a fingerprint a stage.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mt.data.cleaning import clean
from mt.data.fingerprint import fingerprint_of
from mt.data.held_out import HeldOut
from mt.data.ledger import Ledger
from mt.data.settings import DataSettings
from mt.data.store import Store, write_store
from mt.data.text_store import TextStore, write_text_store
from mt.data.tokenizer import TokenizerPair, TokenizerSettings, train_tokenizers
from mt.data.whole_folder import whole_folder, write_whole

try:
    import fcntl
except ImportError:  # Windows: two preparations of one folder at once are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

VERSION = 1  # raise it when a stage writes something else from the same input
STAGES = ("clean", "tokenizer", "encode")
LOCK = ".lock"  # the first file in a prepared folder


@dataclass(frozen=True)
class Prepared:
    """Everything that training reads."""

    folder: Path
    tokenizers: TokenizerPair
    train: Store
    valid: HeldOut
    valid_store: Store  # valid pairs that fit in max_pieces, for the loss; `valid` holds all lines
    tests: dict[str, HeldOut]
    ledger: Ledger


def prepare(data: DataSettings, tokenizer: TokenizerSettings, *, num_threads: int | None = None) -> Prepared:
    """Prepare a corpus in `data.prepared` and open it; a stage whose input and settings are as before is not run again.

    `num_threads` are sentencepiece's while encoding, all cores when None. Raises ValueError or OSError with one line
    for whatever is wrong in files or settings; the folder then still holds what was finished.
    """
    folder = Path(data.prepared)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LOCK).exists():
        # valid.en and test.en are written there: never over somebody's corpus
        raise ValueError(f"data.prepared ({folder}) must be new, empty or prepared before: it holds other files")
    wanted = _fingerprints(data, tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        done = _Record.load(folder)
        if done.stages == wanted:
            log.info("%s: prepared already", folder)
        if done.stages.get("clean") != wanted["clean"]:
            with done.stage("clean", wanted["clean"]):
                done.held_out_files = _clean(data, folder, done.held_out_files)
        if done.stages.get("tokenizer") != wanted["tokenizer"]:
            with done.stage("tokenizer", wanted["tokenizer"]):
                _train_tokenizers(tokenizer, folder)
        if done.stages.get("encode") != wanted["encode"]:
            with done.stage("encode", wanted["encode"]):
                _encode(data, folder, num_threads or os.cpu_count() or 1)
        return _open(data, folder)


def _fingerprints(data: DataSettings, tokenizer: TokenizerSettings) -> dict[str, str]:
    """A fingerprint a stage; each includes the one before, so that a change rebuilds what depends on it."""
    tests = {name: test.fingerprint() for name, test in data.tests.items()}
    clean_inputs = [data.train.fingerprint(), data.valid.fingerprint(), tests, data.cleaning]
    cleaned = fingerprint_of(VERSION, clean_inputs, data.source_language, data.target_language)
    trained = fingerprint_of(cleaned, tokenizer)
    return {"clean": cleaned, "tokenizer": trained, "encode": fingerprint_of(trained, data.max_pieces)}


def _clean(data: DataSettings, folder: Path, old_files: list[str]) -> list[str]:
    start = time.perf_counter()
    held_out = [HeldOut.read("valid", data.valid), *(HeldOut.read(name, test) for name, test in data.tests.items())]
    ledger = Ledger("train")
    sources = [source for part in held_out for source in part.sources]
    targets = [target for part in held_out for target in part.targets]
    with whole_folder(folder / "clean") as new:
        (new / "train").mkdir()
        (new / "valid").mkdir()
        count = write_text_store(new / "train", clean(data.train, data.cleaning, sources, targets, ledger))
        if count == 0:
            reasons = ", ".join(f"{reason}: {drop.count}" for reason, drop in ledger.drops.items())
            raise ValueError(f"data.train: no pair is left of {ledger.num_in} after cleaning ({reasons})")
        write_text_store(new / "valid", held_out[0].pairs())
        ledger.save(new / "ledger.json")
        files = [file for part in held_out for file in part.save(folder, data.source_language, data.target_language)]
        for file in set(old_files) - set(files):
            (folder / file).unlink(missing_ok=True)
    _report("cleaned", ledger.num_in, start)
    return files


def _train_tokenizers(settings: TokenizerSettings, folder: Path) -> None:
    start = time.perf_counter()
    text = TextStore(folder / "clean" / "train")
    tokenizers = train_tokenizers(text.lines("source"), text.lines("target"), len(text), settings)
    with whole_folder(folder / "tokenizer") as new:
        tokenizers.save(new)
    kind = "one joint vocabulary" if tokenizers.is_joint else "vocabularies"
    sizes = " and ".join(str(one.size) for one in dict.fromkeys((tokenizers.source, tokenizers.target)))
    log.info("tokenizer: %s of %s, %.1f s", kind, sizes, time.perf_counter() - start)


def _encode(data: DataSettings, folder: Path, num_threads: int) -> None:
    start = time.perf_counter()
    tokenizers = TokenizerPair.load(folder / "tokenizer")
    ledger = Ledger.load(folder / "clean" / "ledger.json")
    with whole_folder(folder / "encoded") as new:
        for part in ("train", "valid"):
            counts = ledger if part == "train" else Ledger("valid")
            (new / part).mkdir()
            text = TextStore(folder / "clean" / part)
            write_store(
                new / part, text, tokenizers, max_pieces=data.max_pieces, ledger=counts, num_threads=num_threads
            )
            if part == "valid" and counts.num_dropped:
                share = f"{counts.num_dropped} of {len(text)}"
                log.warning("valid: %s pairs are over data.max_pieces (%d), not in the loss", share, data.max_pieces)
        if ledger.num_kept == 0:
            raise ValueError(f"data.max_pieces ({data.max_pieces}) must be larger: every pair is longer than that")
        ledger.save(new / "ledger.json")
    write_whole(folder / "ledger.json", (folder / "encoded" / "ledger.json").read_text(encoding="utf-8"))
    _report("encoded", ledger.num_in, start)
    log.info("%s", ledger.table())


def _open(data: DataSettings, folder: Path) -> Prepared:
    def held_out(name: str) -> HeldOut:
        return HeldOut.load(folder, name, data.source_language, data.target_language)

    stores = {part: Store(folder / "encoded" / part, TextStore(folder / "clean" / part)) for part in ("train", "valid")}
    return Prepared(
        folder=folder,
        tokenizers=TokenizerPair.load(folder / "tokenizer"),
        train=stores["train"],
        valid=held_out("valid"),
        valid_store=stores["valid"],
        tests={name: held_out(name) for name in data.tests},
        ledger=Ledger.load(folder / "encoded" / "ledger.json"),
    )


class _Record:
    """prepared.json: which stages stand in the folder, and made from what."""

    def __init__(self, folder: Path, stages: dict[str, str], held_out_files: list[str]) -> None:
        self.folder = folder
        self.stages = stages
        self.held_out_files = held_out_files

    @classmethod
    def load(cls, folder: Path) -> _Record:
        try:
            content = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
            return cls(folder, content["stages"], content["held_out_files"])
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return cls(folder, {}, [])

    @contextmanager
    def stage(self, name: str, fingerprint: str) -> Iterator[None]:
        # forgotten first: if we are killed between the files and this record, the stage must not look finished
        for stale in STAGES[STAGES.index(name) :]:
            self.stages.pop(stale, None)
        self._save()
        yield
        self.stages[name] = fingerprint
        self._save()

    def _save(self) -> None:
        content = {"stages": self.stages, "held_out_files": self.held_out_files}
        write_whole(self.folder / "prepared.json", json.dumps(content, indent=2) + "\n")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time prepare a folder; the others wait and then find it done."""
    with open(folder / LOCK, "w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _report(verb: str, num_pairs: int, start: float) -> None:
    seconds = time.perf_counter() - start
    log.info("%s %d pairs in %.1f s (%d a second)", verb, num_pairs, seconds, num_pairs / max(seconds, 1e-9))
