"""Datasets that the `datasets` library loads: a name on the hub, a local folder, or a local CSV or Arrow file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mt.data.fingerprint import file_stamp, fingerprint_of
from mt.data.formats.compressed import plain_ending
from mt.data.formats.fields import WrongField, keys_to, pair_at
from mt.data.formats.lines import scan_lines
from mt.data.formats.table import format_of
from mt.data.formats.undecoded import UNDECODED, UNDECODED_ERRORS
from mt.data.pair import Fault, Pair

if TYPE_CHECKING:
    import datasets

FILE_ENDINGS = (".csv", ".arrow")  # of local files; each is also the name of a loader
BATCH_ROWS = 1000
CSV_OPTIONS = {"na_filter": False, "keep_default_na": False, "encoding_errors": UNDECODED_ERRORS}  # "NA" is text


@dataclass(frozen=True, kw_only=True)
class HubDataset:
    """Pairs from two fields of a dataset; a dotted field is a nested one: "translation.de", unless that column exists.

    `path` is a name on the hub, a local folder (data files, or what `save_to_disk` wrote), or a local CSV or Arrow
    file; `name` is the dataset's configuration, `revision` a version on the hub. A local file has the one split
    "train"; "train[:1000]" is a part of it. A missing value is an empty sentence, a line end inside a sentence becomes
    a blank. In CSV all is text: "null", "NA" and "1" are sentences. A row without one of the fields, whose field is not
    text or whose CSV is not UTF-8, is a fault. Raises ValueError with one line when the dataset cannot be loaded or
    lacks a column, or when such files have their own reader.
    """

    path: str
    source_field: str
    target_field: str
    split: str = "train"
    name: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        other = format_of(self.path)
        if other is not None and not Path(self.path).is_dir():
            rule = "a name on the hub, a folder, a CSV or an Arrow file"
            raise ValueError(f"path ({self.path}) must be {rule}: data={other.name} reads this one")

    def __iter__(self) -> Iterator[Pair]:
        dataset = self._load()
        columns = [self._column(field, dataset.column_names) for field in (self.source_field, self.target_field)]
        number = 0
        for rows in dataset.select_columns(list(dict.fromkeys(columns))).iter(batch_size=BATCH_ROWS):
            for values in zip(*rows.values(), strict=True):
                row = dict(zip(rows, values, strict=True))
                place = f"dataset {self.path} row {number}"
                try:
                    pair = pair_at(row, self.source_field, self.target_field)
                except WrongField as wrong:
                    pair = Pair(str(row), "", fault=wrong.fault(place))
                if UNDECODED in pair.source or UNDECODED in pair.target:
                    pair = pair._replace(fault=Fault("not UTF-8", f"{place}: not UTF-8"))
                yield pair
                number += 1

    def fingerprint(self) -> str:
        """Changes with the local files or the settings. A hub dataset is assumed fixed unless `revision` changes."""
        settings = [self.source_field, self.target_field, self.split, self.name, self.revision]
        path = Path(self.path)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            return fingerprint_of("HubDataset", self.path, [file_stamp(file) for file in files], settings)
        stamp = file_stamp(path) if self._is_file() else [self.path]
        return fingerprint_of("HubDataset", stamp, settings)

    def _is_file(self) -> bool:
        return Path(self.path).is_file() or plain_ending(self.path) in FILE_ENDINGS

    def _load(self) -> datasets.Dataset:
        import datasets  # takes a second or two: not for a corpus that is prepared already

        path = Path(self.path)
        try:
            if self._is_file():
                file_stamp(path)  # reports a missing file clearly
                ending = plain_ending(self.path)
                if ending not in FILE_ENDINGS:
                    raise ValueError(f"a file must end in one of: {', '.join(FILE_ENDINGS)}")
                options: dict[str, Any] = {}
                if ending == ".csv":
                    header = _header(path)
                    columns = [self._column(field, header) for field in (self.source_field, self.target_field)]
                    features = datasets.Features(dict.fromkeys(columns, datasets.Value("string")))
                    options = {"features": features, **CSV_OPTIONS}
                loader = ending.removeprefix(".")
                return datasets.load_dataset(loader, data_files=str(path), split=self.split, **options)
            if (path / "dataset_dict.json").is_file():
                return datasets.load_from_disk(str(path))[self.split]
            if (path / "state.json").is_file():
                return datasets.load_from_disk(str(path))
            builder = datasets.load_dataset_builder(self.path, self.name, revision=self.revision)
            options = {}
            if hasattr(builder.config, "keep_default_na"):  # CSV
                options = {"converters": dict.fromkeys([self.source_field, self.target_field], str), **CSV_OPTIONS}
            return datasets.load_dataset(self.path, self.name, split=self.split, revision=self.revision, **options)
        except _WrongFile as error:
            raise ValueError(str(error)) from None
        except FileNotFoundError as error:
            raise FileNotFoundError(_one_line(error)) from error
        except KeyError as error:
            raise ValueError(f"dataset {self.path} has no split {error}") from error
        except Exception as error:  # the library raises many types, some with messages of many lines
            why = _one_line(error.__cause__ or error)  # the wrapped error is more informative
            raise ValueError(f"dataset {self.path} cannot be loaded: {why}") from error

    def _column(self, field: str, columns: list[str]) -> str:
        """The column that is, or contains, a field."""
        try:
            return keys_to(dict.fromkeys(columns), field)[0]
        except WrongField as wrong:
            raise _WrongFile(f"dataset {self.path}: {wrong}") from None


class _WrongFile(ValueError):
    """A fault, reported in our own words."""


def _header(path: Path) -> list[str]:
    """The names of the columns of a CSV file. Raises ValueError."""
    lines = (line for line in scan_lines(path) if isinstance(line, str))
    try:
        names = next(csv.reader(f"{line}\n" for line in lines), [])
    except csv.Error as error:
        raise _WrongFile(f"{path} line 1: not CSV ({error})") from None
    return [name or f"Unnamed: {place}" for place, name in enumerate(names)]  # as pandas names them


def _one_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
