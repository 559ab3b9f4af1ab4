"""Whatever the `datasets` library loads: a name on the hub, a local folder, or a local file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mt.data.fingerprint import file_stamp, fingerprint_of
from mt.data.pair import Pair

if TYPE_CHECKING:
    import datasets

FILE_LOADERS = {  # by the end of a local file's name, without .gz
    ".json": ("json", {}),
    ".jsonl": ("json", {}),
    ".csv": ("csv", {}),
    ".tsv": ("csv", {"sep": "\t", "quoting": 3}),  # 3: quotes mean nothing
    ".parquet": ("parquet", {}),
    ".arrow": ("arrow", {}),
}
BATCH_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class HubDataset:
    """Pairs from two fields of a dataset; a dotted field reaches inside: "translation.de".

    `path` is a local file (JSON, JSON Lines, CSV, TSV, Parquet, Arrow), a local folder (data files, or what
    `save_to_disk` wrote), or a name on the hub; `name` is the dataset's configuration, `revision` a version on the hub.
    A local file has the one split "train"; "train[:1000]" is a part of it. A missing value is an empty sentence, a line
    end inside a sentence becomes a blank. Raises ValueError with one line when it cannot be loaded or lacks a field.
    """

    path: str
    source_field: str
    target_field: str
    split: str = "train"
    name: str | None = None
    revision: str | None = None

    def __iter__(self) -> Iterator[Pair]:
        number = 0
        for rows in self._load().iter(batch_size=BATCH_ROWS):
            sources = self._column(rows, self.source_field, number)
            targets = self._column(rows, self.target_field, number)
            number += len(sources)
            yield from map(Pair, sources, targets)

    def fingerprint(self) -> str:
        """Changes with the local files or the settings. A hub dataset is taken as fixed unless `revision` changes."""
        settings = [self.source_field, self.target_field, self.split, self.name, self.revision]
        path = Path(self.path)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            return fingerprint_of("HubDataset", self.path, [file_stamp(file) for file in files], settings)
        stamp = file_stamp(path) if self._is_file() else [self.path]
        return fingerprint_of("HubDataset", stamp, settings)

    def _is_file(self) -> bool:
        return Path(self.path).is_file() or _ending(self.path) in FILE_LOADERS

    def _load(self) -> datasets.Dataset:
        import datasets  # takes a second or two: not for a corpus that is prepared already

        path = Path(self.path)
        try:
            if self._is_file():
                file_stamp(path)  # says plainly when the file is not there
                if _ending(self.path) not in FILE_LOADERS:
                    raise ValueError(f"a file must end in one of: {', '.join(FILE_LOADERS)}")
                loader, options = FILE_LOADERS[_ending(self.path)]
                return datasets.load_dataset(loader, data_files=str(path), split=self.split, **options)
            if (path / "dataset_dict.json").is_file():
                return datasets.load_from_disk(str(path))[self.split]
            if (path / "state.json").is_file():
                return datasets.load_from_disk(str(path))
            return datasets.load_dataset(self.path, self.name, split=self.split, revision=self.revision)
        except FileNotFoundError as error:
            raise FileNotFoundError(_one_line(error)) from error
        except KeyError as error:
            raise ValueError(f"dataset {self.path} has no split {error}") from error
        except Exception as error:  # the library raises a dozen kinds, some of many lines
            raise ValueError(f"dataset {self.path} cannot be loaded: {_one_line(error)}") from error

    def _column(self, rows: dict[str, list], field: str, first: int) -> list[str]:
        column, *inner = field.split(".") if field not in rows else [field]
        if column not in rows:
            raise ValueError(f"dataset {self.path}: field ({field}) must be one of: {', '.join(rows)}")
        return [self._text(value, inner, field, first + place) for place, value in enumerate(rows[column])]

    def _text(self, value: Any, inner: list[str], field: str, row: int) -> str:
        for key in inner:
            if not isinstance(value, dict) or key not in value:
                found = ", ".join(value) if isinstance(value, dict) else type(value).__name__
                raise ValueError(f"dataset {self.path} row {row}: field ({field}) lacks {key!r}, there is: {found}")
            value = value[key]
        if value is None:
            return ""
        if not isinstance(value, str):
            kind = type(value).__name__
            raise ValueError(f"dataset {self.path} row {row}: field ({field}) must be text, it is {kind}")
        return value.replace("\r\n", " ").replace("\n", " ")


def _ending(path: str) -> str:
    return Path(path.removesuffix(".gz")).suffix


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
