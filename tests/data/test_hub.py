"""Whatever `datasets` loads from the disk becomes the same pairs."""

import json

import datasets
import pytest

from mt.data.hub import HubDataset
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
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif kind == "parquet":
        table.to_parquet(path)
    elif kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "folder-of-files":
        path.mkdir()
        table.to_parquet(path / "train.parquet")
    elif kind == "saved":
        table.save_to_disk(path)
    elif kind == "saved-splits":
        datasets.DatasetDict(train=table).save_to_disk(path)
    return str(path)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv", "folder-of-files", "saved", "saved-splits"])
def test_every_local_form_gives_the_same_pairs(tmp_path, kind):
    corpus = HubDataset(path=save(tmp_path, kind), source_field="en", target_field="de")
    assert list(corpus) == PAIRS
    assert corpus.fingerprint() == corpus.fingerprint()


def test_dotted_fields_reach_inside(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"translation": row}) + "\n" for row in ROWS))
    corpus = HubDataset(path=str(path), source_field="translation.en", target_field="translation.de")
    assert list(corpus) == PAIRS


def test_a_part_of_a_split(tmp_path):
    corpus = HubDataset(path=save(tmp_path, "jsonl"), split="train[1:2]", source_field="en", target_field="de")
    assert list(corpus) == PAIRS[1:2]


def test_fingerprint_follows_settings_and_files(tmp_path):
    path = save(tmp_path, "jsonl")
    first = HubDataset(path=path, source_field="en", target_field="de").fingerprint()
    assert HubDataset(path=path, source_field="de", target_field="en").fingerprint() != first
    with open(path, "a") as file:
        file.write('{"en": "more", "de": "mehr"}\n')
    assert HubDataset(path=path, source_field="en", target_field="de").fingerprint() != first


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"source_field": "fr"}, r"field \(fr\) must be one of: en, de"),
        ({"source_field": "en.text"}, r"row 0: field \(en.text\) lacks 'text', there is: str"),
        ({"split": "test"}, "cannot be loaded"),
        ({"path": "some/where.parquet"}, "file not found: some/where.parquet"),
    ],
    ids=["field", "inner-field", "split", "missing-file"],
)
def test_mistakes_are_one_line(tmp_path, changes, message):
    settings = {"path": save(tmp_path, "jsonl"), "source_field": "en", "target_field": "de"} | changes
    with pytest.raises((ValueError, OSError), match=message) as error:
        list(HubDataset(**settings))
    assert "\n" not in str(error.value)
