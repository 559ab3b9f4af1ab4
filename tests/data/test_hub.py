"""Whatever `datasets` loads from the disk becomes the same pairs."""

import csv
import gzip
import io
import json

import datasets
import pytest

from mt.data.formats.hub import HubDataset
from mt.data.pair import Pair

ROWS = [{"en": "one", "de": "eins"}, {"en": "two\nlines", "de": "zwei\r\nZeilen"}, {"en": None, "de": "nichts"}]
PAIRS = [Pair("one", "eins"), Pair("two lines", "zwei Zeilen"), Pair("", "nichts")]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def save(folder, kind: str) -> str:
    table = datasets.Dataset.from_list(ROWS)
    path = folder / f"pairs.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "csv.gz":
        plain = folder / "plain.csv"
        table.to_csv(plain, index=False)
        path.write_bytes(gzip.compress(plain.read_bytes()))
    elif kind == "folder-of-files":
        path.mkdir()
        table.to_parquet(path / "train.parquet")
    elif kind == "folder-of-lines":
        path.mkdir()
        (path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif kind == "saved":
        table.save_to_disk(path)
    elif kind == "saved-splits":
        datasets.DatasetDict(train=table).save_to_disk(path)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "folder-of-files", "folder-of-lines", "saved", "saved-splits"])
def test_every_local_form_gives_the_same_pairs(tmp_path, kind):
    corpus = HubDataset(path=save(tmp_path, kind), source_field="en", target_field="de")
    assert list(corpus) == PAIRS
    assert corpus.fingerprint() == corpus.fingerprint()


def save_rows(folder, rows) -> str:
    datasets.Dataset.from_list(rows).save_to_disk(folder / "rows")
    return str(folder / "rows")


def test_dotted_fields_reach_inside_unless_a_column_has_that_name(tmp_path):
    path = save_rows(tmp_path, [{"translation": row, "translation.de": "its own"} for row in ROWS])
    corpus = HubDataset(path=path, source_field="translation.en", target_field="translation.de")
    assert [pair.source for pair in corpus] == [pair.source for pair in PAIRS]
    assert {pair.target for pair in corpus} == {"its own"}


def test_a_part_of_a_split(tmp_path):
    corpus = HubDataset(path=save(tmp_path, "csv"), split="train[1:2]", source_field="en", target_field="de")
    assert list(corpus) == PAIRS[1:2]


def test_a_row_without_text_is_a_fault_that_names_it(tmp_path):
    rows = [{"translation": {"en": "one", "de": 1}}, {"translation": {"en": "two", "de": 2}}]
    path = save_rows(tmp_path, rows)
    faults = {
        "translation.de": ("not text", "field (translation.de) must be text, it is int"),
        "translation.fr": ("missing field", "fr in translation must be one of: en, de"),
    }
    for field, (reason, message) in faults.items():
        pairs = list(HubDataset(path=path, source_field="translation.en", target_field=field))
        assert [pair.fault.reason for pair in pairs] == [reason] * 2
        assert pairs[1].fault.message == f"dataset {path} row 1: {message}"


def test_fingerprint_follows_settings_and_files(tmp_path):
    path = save(tmp_path, "csv")
    first = HubDataset(path=path, source_field="en", target_field="de").fingerprint()
    assert HubDataset(path=path, source_field="de", target_field="en").fingerprint() != first
    with open(path, "a") as file:
        file.write("more,mehr\n")
    assert HubDataset(path=path, source_field="en", target_field="de").fingerprint() != first


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"source_field": "fr"}, r"field \(fr\) must be one of: en, de"),
        ({"source_field": "fr.text"}, r"field \(fr.text\) must be one of: en, de"),
        ({"split": "test"}, "cannot be loaded"),
        ({"path": "some/where.csv"}, "file not found: some/where.csv"),
        ({"path": "pairs.jsonl"}, "data=jsonl reads this one"),
        ({"path": "pairs.json.gz"}, "data=jsonl reads this one"),
        ({"path": "some/where.parquet"}, "data=parquet reads this one"),
    ],
    ids=["field", "inner-field", "split", "missing-file", "jsonl", "json", "parquet"],
)
def test_mistakes_are_one_line(tmp_path, changes, message):
    settings = {"path": save(tmp_path, "csv"), "source_field": "en", "target_field": "de"} | changes
    with pytest.raises((ValueError, OSError), match=message) as error:
        list(HubDataset(**settings))
    assert "\n" not in str(error.value)


TEXTS = [
    "null",
    "None",
    "nan",
    "NA",
    "N/A",
    "#N/A",
    "1",
    "007",
    "1.50",
    "1e5",
    "inf",
    "True",
    "2020-01-01",
    '"',
    "a,b",
    "x",
    "",
]


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "folder"])
def test_what_stands_in_a_csv_file_is_text(tmp_path, kind):
    path = tmp_path / ("folder" if kind == "folder" else f"pairs.{kind}")
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerows([["id", "en", "de"], *([number, text, text[::-1]] for number, text in enumerate(TEXTS))])
    content = lines.getvalue().encode()
    if kind == "folder":
        path.mkdir()
        (path / "train.csv").write_bytes(content)
    else:
        path.write_bytes(gzip.compress(content) if kind == "csv.gz" else content)
    corpus = HubDataset(path=str(path), source_field="en", target_field="de")
    assert list(corpus) == [Pair(text, text[::-1]) for text in TEXTS]


def test_a_csv_file_of_numbers_alone_is_text(tmp_path):
    (tmp_path / "a.csv").write_text("en,de,x\n1,2,3\n2,3\n3,,\n")
    corpus = HubDataset(path=str(tmp_path / "a.csv"), source_field="en", target_field="de")
    assert list(corpus) == [Pair("1", "2"), Pair("2", "3"), Pair("3", "")]


def test_a_column_of_a_csv_file_may_change_its_kind(tmp_path):
    rows = [f"{number},a{number},b{number}" for number in range(11_000)]
    (tmp_path / "a.csv").write_text("\n".join(["id,en,de", *rows, "last,a,b"]))
    corpus = HubDataset(path=str(tmp_path / "a.csv"), source_field="en", target_field="de", split="train[10999:]")
    assert list(corpus) == [Pair("a10999", "b10999"), Pair("a", "b")]


def test_a_row_of_a_csv_file_that_is_not_utf8_is_a_fault_that_names_it(tmp_path):
    (tmp_path / "a.csv").write_bytes("en,de\none,eins\ntwo,zw\xffei\nthree,drei\n".encode("latin-1"))
    path = str(tmp_path / "a.csv")
    first, second, third = HubDataset(path=path, source_field="en", target_field="de")
    assert (first, third) == (Pair("one", "eins"), Pair("three", "drei"))
    assert second.fault == ("not UTF-8", f"dataset {path} row 1: not UTF-8")
