"""Preparing again does nothing when nothing changed, and rebuilds just what depends on a change."""

import json
import os
import random
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

import mt.data.prepare as prepare_module
from mt.data.cleaning.settings import CleaningSettings
from mt.data.fingerprint import fingerprint_of
from mt.data.formats.text_files import TextFiles
from mt.data.ledger import Ledger
from mt.data.pair import Pair
from mt.data.prepare import prepare
from mt.data.settings import DataSettings
from mt.data.sources import Source, Sources
from mt.data.tokenizer import TokenizerSettings

WORDS = {"dog": "Hund", "cat": "Katze", "house": "Haus", "tree": "Baum", "street": "Straße", "child": "Kind"}


@dataclass(frozen=True)
class Phrases:
    """Word-by-word pairs with gold links, no two alike, drawn by a seed."""

    seed: int
    size: int = 60
    links: bool = True

    def __iter__(self):
        rng = random.Random(self.seed)
        for number in range(self.size):
            words = rng.choices(list(WORDS), k=rng.randint(1, 6))
            links = " ".join(f"{n}-{n}" for n in range(len(words) + 1)) if self.links else None
            tag = f"{self.seed}.{number}"
            yield Pair(" ".join([tag, *words]), " ".join([tag, *(WORDS[word] for word in words)]), links)

    def fingerprint(self):
        return fingerprint_of("Phrases", self.seed, self.size, self.links)


@pytest.fixture
def data(tmp_path):
    return DataSettings(
        name="phrases",
        source_language="en",
        target_language="de",
        train=Phrases(1, 300),
        valid=Phrases(2),
        tests={"test": Phrases(3), "hard": Phrases(4, links=False)},
        cleaning=CleaningSettings(drop_identical=False),
        prepared=str(tmp_path / "prepared"),
    )


TOKENIZER = TokenizerSettings(vocab_size=330)


@pytest.fixture
def stages_run(monkeypatch):
    run = []

    def noted(original, name, *args):
        run.append(name)
        return original(*args)

    for stage in ("_clean", "_train_tokenizers", "_encode"):
        original = getattr(prepare_module, stage)
        monkeypatch.setattr(prepare_module, stage, partial(noted, original, stage.split("_")[1]))
    return run


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_the_longest_side_is_known_before_training_and_not_by_the_limit(data):
    prepared = prepare(data, TOKENIZER)
    sides = [side for number in range(len(prepared.train)) for side in prepared.train.pair(number)]
    assert prepared.longest == max(map(len, sides)) < data.max_pieces


def test_everything_training_needs_is_there(data):
    prepared = prepare(data, TOKENIZER)
    pairs = list(data.train)
    assert len(prepared.train) == prepared.ledger.num_kept == 300
    assert [prepared.train.text(number) for number in range(300)] == pairs
    for number in (0, 7, 299):
        source, target = prepared.train.pair(number)
        assert prepared.tokenizers.source.decode(source) == pairs[number].source
        assert prepared.tokenizers.target.decode(target) == pairs[number].target
    assert prepared.valid.sources == [pair.source for pair in data.valid]
    assert len(prepared.valid_store) == 60
    assert prepared.tests["test"].links == [pair.links for pair in data.tests["test"]]
    assert prepared.tests["hard"].links is None
    files = {path.name for path in Path(data.prepared).iterdir()}
    held_out = {"valid.en", "valid.de", "valid.align", "test.en", "test.de", "test.align", "hard.en", "hard.de"}
    assert files == held_out | {"clean", "tokenizer", "encoded", "ledger.json", "prepared.json", ".lock"}
    lines = (Path(data.prepared) / "test.de").read_text().splitlines()
    assert lines == [pair.target for pair in data.tests["test"]]


@pytest.mark.slow  # trains tokenizers
@pytest.mark.parametrize(
    "change, rebuilt",
    [
        ({}, []),
        ({"name": "other", "folder": "elsewhere"}, []),
        ({"max_pieces": 9}, ["encode"]),
        ({"tokenizer": {"vocab_size": 320}}, ["train", "encode"]),
        ({"tokenizer": {"model_type": "bpe"}}, ["train", "encode"]),
        ({"cleaning": CleaningSettings(max_words=6, drop_identical=False)}, ["clean", "train", "encode"]),
        ({"train": Phrases(1, 299)}, ["clean", "train", "encode"]),
        ({"valid": Phrases(9)}, ["clean", "train", "encode"]),
        ({"tests": {"test": Phrases(3)}}, ["clean", "train", "encode"]),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, dict) else "",
)
def test_a_change_rebuilds_what_depends_on_it(data, stages_run, change, rebuilt):
    prepare(data, TOKENIZER)
    stages_run.clear()
    change = dict(change)
    tokenizer = replace(TOKENIZER, **change.pop("tokenizer", {}))
    changed = replace(data, **change)
    again = prepare(changed, tokenizer)
    assert stages_run == rebuilt
    assert again.tokenizers.source.size == tokenizer.vocab_size
    elsewhere = prepare(replace(changed, prepared=data.prepared + "-fresh"), tokenizer)
    assert files_of(data.prepared) == files_of(elsewhere.folder)


def files_of(folder):
    root = Path(folder)
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_changed_file_is_noticed(data, tmp_path, stages_run):
    for name, line in (("a.en", "one dog here\n"), ("a.de", "ein Hund hier\n")):
        (tmp_path / name).write_text("".join(f"{n} {line}" for n in range(200)))
    data = replace(data, train=TextFiles(source=str(tmp_path / "a.en"), target=str(tmp_path / "a.de")))
    prepare(data, TOKENIZER)
    status = os.stat(tmp_path / "a.en")
    os.utime(tmp_path / "a.en", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    stages_run.clear()
    prepare(data, TOKENIZER)
    assert stages_run == ["clean", "train", "encode"]


@pytest.mark.slow  # trains tokenizers
@pytest.mark.parametrize("stage, rebuilt", [("_clean", 3), ("_train_tokenizers", 2), ("_encode", 1)])
def test_an_interrupted_stage_is_run_again(data, monkeypatch, stages_run, stage, rebuilt):
    prepare(data, TOKENIZER)
    # other settings, and killed after the new files stand but before they are recorded
    other, tokenizer = replace(data, train=Phrases(5, 300), max_pieces=40), replace(TOKENIZER, vocab_size=325)
    original = getattr(prepare_module, stage)

    def killed(*args):
        original(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(prepare_module, stage, killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(other, tokenizer)
    stages_run.clear()
    prepare(other, tokenizer)
    assert len(stages_run) == rebuilt
    stages_run.clear()
    fresh = prepare(replace(other, prepared=data.prepared + "-fresh"), tokenizer)
    assert files_of(data.prepared) == files_of(fresh.folder)
    stages_run.clear()
    again = prepare(data, TOKENIZER)  # the first settings: nothing of the others may be left
    assert len(stages_run) == 3
    assert [again.train.text(number) for number in range(300)] == list(data.train)


@pytest.mark.slow
@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
def test_the_folder_is_the_same_for_any_number_of_processes(data, monkeypatch, is_large):
    monkeypatch.setattr("mt.data.workers.INPUTS_ALONE", 0)
    for module in ("block", "text_store", "shuffle"):
        monkeypatch.setattr(f"mt.data.{module}.BLOCK_PAIRS", 16)
    if is_large:
        monkeypatch.setattr("mt.data.shuffle.SHUFFLED_ABOVE", 200)
    data = replace(data, train=Sources(a=Phrases(1, 300), b=Source(corpus=Phrases(1, 350), tag="<bt>")))
    one, two = (
        prepare(replace(data, prepared=f"{data.prepared}-{num_processes}"), TOKENIZER, num_processes=num_processes)
        for num_processes in (1, 2)
    )
    assert files_of(one.folder) == files_of(two.folder)
    assert one.train.sources == {"a": range(300), "b": range(300, 650)}
    in_order = list(data.train)
    found = [one.train.text(number) for number in range(650)]
    assert sorted(found) == sorted(in_order)
    assert (found != in_order) == is_large
    assert sorted(found[:300]) == sorted(in_order[:300])
    for number in (0, 299, 300, 649):
        assert one.tokenizers.source.decode(one.train.pair(number)[0]) == found[number].source
    longest = max(sum(map(len, one.train.pair(number))) for number in range(650))
    assert one.train.max_pair_pieces == longest


def test_tags_become_symbols_of_the_tokenizer_by_themselves(data):
    data = replace(
        data,
        train=Sources(real=Phrases(1, 300), made=Source(corpus=Phrases(6, 300), tag="<bt>")),
        valid=Source(corpus=Phrases(2), tag="<2de>"),
    )
    prepared = prepare(data, replace(TOKENIZER, reserved_symbols=["<2fr>", "<2de>"]))
    tokenizer = prepared.tokenizers.source
    assert tokenizer.reserved_symbols == ("<2fr>", "<2de>", "<bt>")
    assert tokenizer.pieces(prepared.train.pair(450)[0])[0] == "<bt>"
    assert prepared.valid.sources[0].startswith("<2de> 2.0 ")
    assert prepared.valid.links == [pair.links for pair in data.valid]
    assert [len(numbers) for numbers in prepared.train.sources.values()] == [300, 300]


def test_the_fingerprint_changes_with_what_training_reads(data):
    changes = [{}, {"max_pieces": 9}, {"train": Phrases(1, 299)}, {"cleaning": CleaningSettings(max_words=3)}]
    prints = [prepare(replace(data, **change), TOKENIZER).fingerprint for change in changes]
    assert len(set(prints)) == len(prints)
    assert prepare(data, TOKENIZER, num_processes=1).fingerprint == prints[0]


def test_what_a_killed_process_left_is_cleared_away(data):
    left = Path(data.prepared) / ".clean.999999.unfinished"
    (left / "train").mkdir(parents=True)
    (left.parent / ".lock").touch()
    prepare(data, TOKENIZER)
    assert not left.exists()


def test_the_number_of_processes_is_checked(data):
    with pytest.raises(ValueError, match=r"num_processes \(0\) must be at least 1, or null"):
        prepare(data, TOKENIZER, num_processes=0)


def test_held_out_files_that_no_setting_names_any_more_go(data):
    prepare(data, TOKENIZER)
    prepare(replace(data, tests={}), TOKENIZER)
    assert not list(Path(data.prepared).glob("test.*")) and not list(Path(data.prepared).glob("hard.*"))


def test_an_open_store_survives_a_new_preparation(data):
    first = prepare(data, TOKENIZER)
    before = [ids.tolist() for ids in first.train.pair(250)], first.train.text(250)
    prepare(replace(data, train=Phrases(8, 30)), replace(TOKENIZER, vocab_size=320))
    assert ([ids.tolist() for ids in first.train.pair(250)], first.train.text(250)) == before


def test_ledger_adds_up_over_all_stages(data):
    prepared = prepare(replace(data, max_pieces=9, cleaning=CleaningSettings(max_words=6)), TOKENIZER)
    ledger = Ledger.load(Path(data.prepared) / "ledger.json")
    assert ledger == prepared.ledger
    assert ledger.num_in == 300 == ledger.num_kept + ledger.num_dropped
    assert ledger.num_kept == len(prepared.train)
    assert set(ledger.drops) == {"too long (over 6 words)", "too long (over 9 pieces)"}
    assert max(prepared.train.source_lengths.max(), prepared.train.target_lengths.max()) <= 9
    assert len(prepared.valid) == 60 > len(prepared.valid_store)


def test_training_pairs_of_the_held_out_sets_are_dropped(data):
    prepared = prepare(replace(data, tests={"test": Phrases(1, 40)}), TOKENIZER)
    assert prepared.ledger.drops["in valid or test (same pair)"].count == 40


@pytest.mark.parametrize(
    "change, message",
    [
        ({"cleaning": CleaningSettings(max_words=1)}, r"data.train: no pair is left of 300 after cleaning \(too long"),
        ({"max_pieces": 1}, r"data.max_pieces \(1\) must be larger"),
    ],
    ids=["cleaned-away", "max-pieces"],
)
def test_nothing_left_is_one_line(data, change, message):
    with pytest.raises(ValueError, match=message) as error:
        prepare(replace(data, **change), TOKENIZER)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"target_language": "en"}, "must differ, both are en"),
        ({"source_language": "../en"}, r"data.source_language \(../en\) must be letters"),
        ({"tests": {"valid": Phrases(1)}}, r"a name \(valid\) must be neither train nor valid"),
        ({"max_pieces": 0}, r"data.max_pieces \(0\) must be from 1 to"),
    ],
)
def test_settings_are_checked(data, change, message):
    with pytest.raises(ValueError, match=message):
        replace(data, **change)


def test_a_folder_with_other_files_is_left_alone(data):
    folder = Path(data.prepared)
    folder.mkdir()
    (folder / "valid.en").write_text("mine\n")
    with pytest.raises(ValueError, match=r"data.prepared \(.*\) must be new, empty or prepared before"):
        prepare(data, TOKENIZER)
    assert files_of(folder) == {Path("valid.en"): b"mine\n"}


def test_a_missing_corpus_leaves_no_folder(data, tmp_path):
    missing = TextFiles(source=str(tmp_path / "no.en"), target=str(tmp_path / "no.de"))
    with pytest.raises(FileNotFoundError, match="file not found"):
        prepare(replace(data, train=missing), TOKENIZER)
    assert not Path(data.prepared).exists()


def test_the_record_is_plain_json(data):
    prepare(data, TOKENIZER)
    record = json.loads((Path(data.prepared) / "prepared.json").read_text())
    assert list(record["stages"]) == ["clean", "tokenizer", "encode"]
