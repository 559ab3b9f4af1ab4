"""A corpus too large to be prepared as a whole: each of its files is a shard, which is prepared when it is needed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mt.data.cleaning.clean import HeldOutPairs, clean_corpus
from mt.data.document import InDocuments
from mt.data.encode import encode_train
from mt.data.files import files_of
from mt.data.held_out import HeldOut
from mt.data.ledger import Ledger
from mt.data.lock import alone
from mt.data.pair import Corpus, Pair
from mt.data.settings import DataSettings
from mt.data.sources import Source, Sources
from mt.data.store import Store
from mt.data.text_store import TextStore
from mt.data.tokenizer import TokenizerPair
from mt.data.whole_folder import remove_unfinished, remove_whole, whole_folder
from mt.data.workers import Workers


def shards_of(corpus: Corpus) -> list[Corpus]:
    """The files of a corpus, each a corpus of its own. Of several sources, the first files form a shard, etc.

    Raises ValueError for a corpus that is not made of files in lists, or sources with different numbers of them.
    """
    if isinstance(corpus, Sources):
        parts = {name: shards_of(source) for name, source in corpus.sources.items()}
        if len({len(shards) for shards in parts.values()}) > 1:
            counts = ", ".join(f"{name} has {len(shards)}" for name, shards in parts.items())
            raise ValueError(f"data.keep_shards: every source must have the same number of files, {counts}")
        return [Sources(**dict(zip(parts, shards, strict=True))) for shards in zip(*parts.values(), strict=True)]
    if isinstance(corpus, Source):
        return [replace(corpus, corpus=shard) for shard in shards_of(corpus.corpus)]
    if isinstance(corpus, InDocuments):
        return [replace(corpus, corpus=shard) for shard in shards_of(corpus.corpus)]
    if files := files_of(corpus):
        return files
    raise ValueError(f"data.keep_shards: data.train must be made of files in lists, it is {type(corpus).__name__}")


@dataclass(frozen=True)
class ShardMaker:
    """Prepares one shard; runs in another process.

    A shard is a folder `shards/000003` with clean/, encoded/ and shard.json, which records its inputs. Its ledger
    stays in `shards/ledgers` when the folder is removed.
    """

    data: DataSettings
    folder: Path  # the prepared one, with held-out sets and tokenizer
    fingerprint: str  # of everything before shards: tokenizer, held-out sets, settings

    def place(self, number: int) -> Path:
        """The folder of a shard."""
        return self.folder / "shards" / f"{number:06d}"

    def is_made(self, number: int) -> bool:
        """Whether the shard's folder exists and was made with the present settings."""
        try:
            made_from = json.loads((self.place(number) / "shard.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        return made_from == {"fingerprint": self.fingerprint}

    def __call__(self, number: int, num_processes: int = 1) -> None:
        place = self.place(number)
        (place.parent / "ledgers").mkdir(parents=True, exist_ok=True)
        with alone(place.with_name(f".lock.{number:06d}")):
            if self.is_made(number):
                return  # another process prepared it while we waited
            remove_unfinished(place.parent, place.name.__eq__)
            with whole_folder(place) as new:
                self._make(number, new, num_processes)
            ledger = Ledger.load(place / "encoded" / "ledger.json")
            ledger.save(place.parent / "ledgers" / f"{number:06d}.json")

    def _make(self, number: int, folder: Path, num_processes: int) -> None:
        data = self.data
        languages = data.source_language, data.target_language
        held_out = [HeldOut.load(self.folder, name, *languages) for name in ("valid", *data.tests)]
        (folder / "clean" / "train").mkdir(parents=True)
        (folder / "encoded").mkdir()
        ledger = clean_corpus(
            shards_of(data.train)[number],
            data.cleaning,
            languages=languages,
            held_out=HeldOutPairs(held_out, data),
            folder=folder / "clean" / "train",
            images=data.images,
            sounds=data.sounds,
            num_processes=num_processes,
        )
        ledger.save(folder / "clean" / "ledger.json")
        tokenizers = TokenizerPair.load(self.folder / "tokenizer")
        encode_train(
            folder / "clean",
            folder / "encoded",
            tokenizers,
            max_pieces=data.max_pieces,
            num_processes=num_processes,
        )
        (folder / "shard.json").write_text(json.dumps({"fingerprint": self.fingerprint}) + "\n", encoding="utf-8")


class ShardedStore:
    """The shards of a corpus by number. A shard is a store of its own, the same whenever it is prepared.

    At most `data.keep_shards` of them are on the disk at a time; the last used ones are kept.
    """

    def __init__(self, data: DataSettings, folder: Path, fingerprint: str, num_processes: int) -> None:
        self.folder = folder
        self.max_pieces = data.max_pieces  # no side of a pair is longer, in pieces
        self._make = ShardMaker(data, folder, fingerprint)
        self._num_shards = len(shards_of(data.train))
        assert data.keep_shards is not None
        self._keep_shards = data.keep_shards
        self._num_processes = num_processes
        self._in_use: int | None = None
        self._background: Workers | None = None
        self._coming: dict[int, Future] = {}

    def __len__(self) -> int:
        return self._num_shards

    def store(self, number: int) -> Store:
        """One shard, prepared now if necessary; the shard returned before may then be removed.

        Raises ValueError or OSError for faults of its files.
        """
        if number in self._coming:
            self._coming.pop(number).result()
        while not self._make.is_made(number):
            self._make_room()
            self._make(number, self._num_processes)
        self._in_use = number
        place = self._make.place(number)
        os.utime(place)  # marks it as used last
        self.ledger.save(self.folder / "ledger.json")
        return Store(place / "encoded" / "train", TextStore(place / "clean" / "train"))

    def prefetch(self, number: int) -> None:
        """Begins to prepare a shard in the background if necessary; `store` waits for it."""
        if number in self._coming or self._make.is_made(number):
            return
        self._make_room()
        if self._background is None:
            self._background = Workers(self._make, 1)
        self._coming[number] = self._background.submit(number)

    def sample(self, most: int) -> Iterator[Pair]:
        """The sentences of at most this many pairs of the shard in use, or of the first."""
        return self.store(self._in_use or 0).sample(most)

    def close(self) -> None:
        """Cancels preparation in the background."""
        if self._background is not None:
            self._background.close()
        self._background = None
        self._coming.clear()

    @property
    def ledger(self) -> Ledger:
        """The counts of all shards prepared so far."""
        total = Ledger("train")
        sources: dict[str, Ledger] = {}
        for path in sorted((self.folder / "shards" / "ledgers").glob("*.json")):
            ledger = Ledger.load(path)
            total.add(ledger)
            for name, of_source in ledger.sources.items():
                sources.setdefault(name, Ledger(name)).add(of_source)
        total.sources = sources
        return total

    def _make_room(self) -> None:
        """Removes the least recently used shards, to make room for one more."""
        in_use = None if self._in_use is None else self._make.place(self._in_use)
        others = [path for path in (self.folder / "shards").glob("[0-9]*") if path != in_use]
        others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        num_coming = 1 + sum(not shard.done() for shard in self._coming.values())
        for path in others[max(0, self._keep_shards - (in_use is not None) - num_coming) :]:
            with suppress(FileNotFoundError):  # another process may remove it, too
                remove_whole(path)  # in one step: a partly deleted shard must not look complete
