"""Prepares data for training: cleans, trains the tokenizer, encodes; a stage runs only if its input changed.

The folder afterwards: valid.en, valid.de, test.en, ... (unchanged lines, each with its context if data.document
sets any), clean/train and clean/valid (text stores), tokenizer/, encoded/train and encoded/valid (id stores),
ledger.json, and prepared.json with a fingerprint per stage. With data.keep_shards, clean/train is only the first shard,
encoded/train is missing, and shards/ holds those in use.
"""

from __future__ import annotations

import ctypes
import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mt.cores import available_cores
from mt.data.cleaning.clean import HeldOutPairs, clean_corpus
from mt.data.cleaning.rules import skipped_rules
from mt.data.document import apart
from mt.data.encode import encode_train, write_store
from mt.data.fingerprint import fingerprint_of
from mt.data.held_out import HeldOut
from mt.data.images.decode import PictureReader
from mt.data.images.settings import ImageSettings
from mt.data.ledger import Ledger
from mt.data.lock import alone
from mt.data.settings import DataSettings
from mt.data.shards import ShardedStore, shards_of
from mt.data.shuffle import shuffle_large_sources
from mt.data.sounds.decode import SoundReader
from mt.data.sounds.settings import SoundSettings
from mt.data.sources import sources_of, tags_of
from mt.data.store import Store
from mt.data.text_store import TextStore, write_text_store
from mt.data.tokenizer import TokenizerPair, TokenizerSettings, train_tokenizers
from mt.data.whole_folder import remove_unfinished, remove_whole, whole_folder, write_whole, written_name

log = logging.getLogger(__name__)

VERSION = 3  # increase it when a stage gives another output for the same input
STAGES = ("clean", "tokenizer", "encode")
LOCK, RECORD = ".lock", "prepared.json"  # the first two files in a prepared folder


@dataclass(frozen=True)
class Prepared:
    """Everything that training reads."""

    folder: Path
    fingerprint: str  # changes with anything that changes the training data
    tokenizers: TokenizerPair
    train: Store | ShardedStore
    valid: HeldOut
    valid_store: Store  # valid pairs that fit in max_pieces, for the loss; `valid` holds all lines
    tests: dict[str, HeldOut]
    ledger: Ledger  # of shards: those prepared so far

    @property
    def is_in_shards(self) -> bool:
        """Whether `train` is prepared part by part, so that not all of its pairs are available."""
        return isinstance(self.train, ShardedStore)

    @property
    def longest(self) -> int | None:
        """Pieces of the longer side of the longest training pair; None if not all pairs are available, or none is."""
        if isinstance(self.train, ShardedStore) or not len(self.train):
            return None
        return int(max(self.train.source_lengths.max(), self.train.target_lengths.max()))


def prepare(
    data: DataSettings,
    tokenizer: TokenizerSettings,
    *,
    kept: TokenizerPair | None = None,
    num_processes: int | None = None,
) -> Prepared:
    """Prepares a corpus in `data.prepared` and opens it; a stage with unchanged input and settings is not run again.

    `kept` are existing tokenizers to use instead of learning new ones. `num_processes` processes clean and encode, one
    per core when None; the result is the same for any number.
    Raises ValueError or OSError with one line for wrong files or settings; the folder then keeps the finished stages.

    """
    if num_processes is not None and num_processes < 1:
        raise ValueError(f"num_processes ({num_processes}) must be at least 1, or null")
    num_processes = num_processes or available_cores()
    check_preparable(data, kept)
    data, folder = data.in_documents(), Path(data.prepared)
    tokenizer = _with_symbols(tokenizer, data)
    fingerprints = _fingerprints(data, tokenizer, kept)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK):
        done = _Record.load(folder)
        if done.stages == fingerprints:
            log.info("%s: prepared already", folder)
        else:
            remove_unfinished(folder)  # left by a process that was killed
        if done.stages.get("clean") != fingerprints["clean"]:
            with done.stage("clean", fingerprints["clean"]):
                done.held_out_files = _clean(data, folder, done.held_out_files, num_processes)
        if done.stages.get("tokenizer") != fingerprints["tokenizer"]:
            with done.stage("tokenizer", fingerprints["tokenizer"]):
                _make_tokenizers(tokenizer, kept, folder)
        if done.stages.get("encode") != fingerprints["encode"]:
            with done.stage("encode", fingerprints["encode"]):
                _encode(data, folder, num_processes)
        return _open(data, folder, fingerprints["encode"], num_processes)


def check_preparable(data: DataSettings, kept: TokenizerPair | None = None) -> None:
    """Raises ValueError for settings that cannot be prepared with any corpus."""
    folder = Path(data.prepared)
    if folder.is_dir() and _holds_other_files(folder):
        # valid.en and test.en are written there: never overwrite a corpus, or a run
        raise ValueError(f"data.prepared ({folder}) must be new, empty or prepared before: it holds other files")
    data = data.in_documents()
    if data.keep_shards is not None:
        shards_of(data.train)  # refuses a corpus without shards
    unknown = [symbol for symbol in _symbols_of(data) if kept and symbol not in kept.source.reserved_symbols]
    if unknown:
        raise ValueError(
            f"data needs the symbol {unknown[0]}, which the tokenizer of start_from does not have:"
            " new_vocabulary=true learns a new one"
        )


def _holds_other_files(folder: Path) -> bool:
    """Whether the folder holds files but nothing prepared: preparing first writes its lock, then its record."""
    names = {path.name for path in folder.iterdir()}
    if LOCK in names and RECORD in names:
        return False
    return any(name != LOCK and not (LOCK in names and written_name(name)) for name in names)


def corpus_fingerprint(data: DataSettings, tokenizer: TokenizerSettings, *, kept: TokenizerPair | None = None) -> str:
    """The later value of `Prepared.fingerprint`, known before anything is prepared."""
    data = data.in_documents()
    return _fingerprints(data, _with_symbols(tokenizer, data), kept)["encode"]


def _symbols_of(data: DataSettings) -> list[str]:
    """Tags and separators of documents, each of which must be one piece."""
    return [*tags_of(data.train, data.valid, *data.tests.values()), *data.document.symbols]


def former_fingerprints(data: DataSettings, tokenizer: TokenizerSettings) -> list[str]:
    """The results of `corpus_fingerprint` in older versions, for the same settings and files, newest first.

    Their cleaning differed little (VERSION), so that the corpus may or may not come out the same.
    """
    data = data.in_documents()
    tokenizer = _with_symbols(tokenizer, data)
    return [_fingerprints(data, tokenizer, None, version)["encode"] for version in range(VERSION - 1, 1, -1)]


def _with_symbols(tokenizer: TokenizerSettings, data: DataSettings) -> TokenizerSettings:
    missing = [symbol for symbol in _symbols_of(data) if symbol not in tokenizer.reserved_symbols]
    return replace(tokenizer, reserved_symbols=(*tokenizer.reserved_symbols, *missing))


def _fingerprints(
    data: DataSettings, tokenizer: TokenizerSettings, kept: TokenizerPair | None, version: int = VERSION
) -> dict[str, str]:
    """A fingerprint per stage; each includes the one before, so that a change also rebuilds later stages."""
    tests = {name: test.fingerprint() for name, test in data.tests.items()}
    clean_inputs = [data.train.fingerprint(), data.valid.fingerprint(), tests, data.cleaning, data.keep_shards is None]
    if data.images != ImageSettings():  # else as in versions that knew no pictures
        clean_inputs.append(data.images)
    if data.sounds != SoundSettings():
        clean_inputs.append(data.sounds)
    cleaned = fingerprint_of(version, clean_inputs, data.source_language, data.target_language)
    trained = fingerprint_of(cleaned, tokenizer if kept is None else kept.digests())
    return {"clean": cleaned, "tokenizer": trained, "encode": fingerprint_of(trained, data.max_pieces)}


def _clean(data: DataSettings, folder: Path, old_files: list[str], num_processes: int) -> list[str]:
    start = time.perf_counter()
    languages = data.source_language, data.target_language
    sources = sources_of(data.train).values()
    warnings = [line for source in sources for line in skipped_rules(data.cleaning, *source.languages(languages))]
    for line in dict.fromkeys(warnings):
        log.warning("%s", line)
    parts = {"valid": data.valid, **data.tests}
    readers = PictureReader(data.images), SoundReader(data.sounds)
    held_out = [HeldOut.read(name, corpus, *readers) for name, corpus in parts.items()]
    with whole_folder(folder / "clean") as new:
        (new / "train").mkdir()
        (new / "valid").mkdir()
        ledger = clean_corpus(
            data.train if data.keep_shards is None else shards_of(data.train)[0],
            data.cleaning,
            languages=languages,
            held_out=HeldOutPairs(held_out, data),
            folder=new / "train",
            images=data.images,
            sounds=data.sounds,
            num_processes=num_processes,
        )
        _report("cleaned", ledger.num_in, start)
        if data.keep_shards is None:
            shuffle_large_sources(new / "train")
        write_text_store(new / "valid", held_out[0].pairs(), "valid")
        ledger.save(new / "ledger.json")
        files = [file for part in held_out for file in part.save(folder, *languages)]
        for file in set(old_files) - set(files):
            if Path(file).name == file:  # the record is untrusted: delete nothing outside of the folder
                if (folder / file).is_dir():
                    remove_whole(folder / file)
                (folder / file).unlink(missing_ok=True)
    return files


def _make_tokenizers(settings: TokenizerSettings, kept: TokenizerPair | None, folder: Path) -> None:
    start = time.perf_counter()
    tokenizers = kept or _train_tokenizers(settings, folder)
    with whole_folder(folder / "tokenizer") as new:
        tokenizers.save(new)
    kind = "one joint vocabulary" if tokenizers.is_joint else "vocabularies"
    sizes = " and ".join(str(one.size) for one in dict.fromkeys((tokenizers.source, tokenizers.target)))
    how = "kept" if kept else f"{time.perf_counter() - start:.1f} s"
    log.info("tokenizer: %s of %s, %s", kind, sizes, how)


def _train_tokenizers(settings: TokenizerSettings, folder: Path) -> TokenizerPair:
    text = TextStore(folder / "clean" / "train")
    size = text.num_bytes(range(len(text)), ("source", "target"))
    sources = (apart(line)[1] for line in text.lines("source"))  # every sentence once, without context
    tokenizers = train_tokenizers(sources, text.lines("target"), len(text), settings, num_bytes=size)
    _give_back_memory()
    return tokenizers


def _encode(data: DataSettings, folder: Path, num_processes: int) -> None:
    start = time.perf_counter()
    tokenizers = TokenizerPair.load(folder / "tokenizer")
    with whole_folder(folder / "encoded") as new:
        if data.keep_shards is None:
            ledger = encode_train(
                folder / "clean", new, tokenizers, max_pieces=data.max_pieces, num_processes=num_processes
            )
            _report("encoded", ledger.num_in, start)
            for row in ledger.table().splitlines():
                log.info("%s", row)
        text = TextStore(folder / "clean" / "valid")
        counts = Ledger("valid", len(text), len(text))
        (new / "valid").mkdir()
        write_store(new / "valid", text, tokenizers, max_pieces=data.max_pieces, ledgers={"valid": counts})
        if counts.num_dropped:
            share = f"{counts.num_dropped} of {len(text)}"
            log.warning("valid: %s pairs are over data.max_pieces (%d), not in the loss", share, data.max_pieces)
    shutil.rmtree(folder / "shards", ignore_errors=True)
    if data.keep_shards is None:
        ledger.save(folder / "ledger.json")
    else:
        (folder / "ledger.json").unlink(missing_ok=True)  # written with the first shard


def _open(data: DataSettings, folder: Path, fingerprint: str, num_processes: int) -> Prepared:
    def held_out(name: str) -> HeldOut:
        return HeldOut.load(folder, name, data.source_language, data.target_language)

    def store(part: str) -> Store:
        return Store(folder / "encoded" / part, TextStore(folder / "clean" / part))

    train = ShardedStore(data, folder, fingerprint, num_processes) if data.keep_shards is not None else store("train")
    return Prepared(
        folder=folder,
        fingerprint=fingerprint,
        tokenizers=TokenizerPair.load(folder / "tokenizer"),
        train=train,
        valid=held_out("valid"),
        valid_store=store("valid"),
        tests={name: held_out(name) for name in data.tests},
        ledger=train.ledger if isinstance(train, ShardedStore) else Ledger.load(folder / "ledger.json"),
    )


class _Record:
    """prepared.json: the finished stages in the folder, and the fingerprints of their inputs."""

    def __init__(self, folder: Path, stages: dict[str, str], held_out_files: list[str]) -> None:
        self.folder = folder
        self.stages = stages
        self.held_out_files = held_out_files

    @classmethod
    def load(cls, folder: Path) -> _Record:
        try:
            content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            return cls(folder, content["stages"], content["held_out_files"])
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return cls(folder, {}, [])

    @contextmanager
    def stage(self, name: str, fingerprint: str) -> Iterator[None]:
        # removed first: if we are killed before this record is written, the stage must not look finished
        for stale in STAGES[STAGES.index(name) :]:
            self.stages.pop(stale, None)
        self._save()
        yield
        self.stages[name] = fingerprint
        self._save()

    def _save(self) -> None:
        content = {"stages": self.stages, "held_out_files": self.held_out_files}
        write_whole(self.folder / RECORD, json.dumps(content, indent=2) + "\n")


def _give_back_memory() -> None:
    """Returns freed memory to the system: after a vocabulary is learned, the C library (glibc) keeps a gigabyte."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _report(verb: str, num_pairs: int, start: float) -> None:
    seconds = time.perf_counter() - start
    log.info("%s %d pairs in %.1f s (%d a second)", verb, num_pairs, seconds, num_pairs / max(seconds, 1e-9))
