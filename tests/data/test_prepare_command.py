"""Every data and tokenizer config composes, builds and prepares; mistakes are one line and exit code 2."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from mt.checkpoint.rebuild import build
from mt.data.prepare import prepare
from mt.data.settings import DataSettings
from mt.settings import config_folder
from tests import composing
from tests.children import PATIENCE_SECONDS, Fork, run, wait_for
from tests.corpora import CORPORA

LANGUAGES = ["data.source_language=en", "data.target_language=de"]
NEEDED = {
    **{name: [*LANGUAGES, "data.folder=x"] for name in ("text", "tsv", "jsonl", "parquet", "tmx", "xliff", "po")},
    **{name: [*LANGUAGES, "data.folder=x"] for name in ("back_translated", "distilled", "adapted")},
    "multilingual": ["data.folder=x"],
    "hub": [
        "data.source_language=en", "data.target_language=de", "data.train.path=some/set",
        "data.train.source_field=translation.en", "data.train.target_field=translation.de",
    ],
}  # fmt: skip


def composed(*overrides):
    return composing.composed("prepare", list(overrides))


def options(group):
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


@pytest.mark.slow  # composes settings, 0.2 s each time
@pytest.mark.parametrize("name", options("data"))
def test_every_data_config_builds(name):
    settings = composed(f"data={name}", *NEEDED.get(name, []))
    data = build(settings["data"])
    assert isinstance(data, DataSettings)
    assert (data.source_language, data.target_language) == ("en", "mul" if name == "multilingual" else "de")
    assert "test" in data.tests or name == "multilingual"
    assert data.prepared.startswith("data/")


@pytest.mark.parametrize("cleaning", options("data/cleaning"))
def test_every_cleaning_config_builds(cleaning):
    assert isinstance(build(composed(f"data/cleaning={cleaning}")["data"]), DataSettings)


@pytest.mark.parametrize("name", options("tokenizer"))
def test_every_tokenizer_config_builds(name):
    assert build(composed(f"tokenizer={name}")["tokenizer"]).model_type == name


def test_multi30k_is_the_same_from_files_and_from_the_hub():
    files, hub = (composed(f"data={name}")["data"] for name in ("multi30k", "multi30k_hub"))
    for same in ("name", "source_language", "target_language", "cleaning", "max_pieces", "prepared"):
        assert files[same] == hub[same]
    assert files["tests"].keys() == hub["tests"].keys()


@pytest.mark.slow  # prepares 29,000 pairs
@pytest.mark.corpora
def test_multi30k_files_prepare(tmp_path, monkeypatch):
    if not (CORPORA / "multi30k").is_dir():
        pytest.skip(f"no multi30k in {CORPORA} (MT_CORPORA)")
    monkeypatch.setenv("MT_CORPORA", str(CORPORA))
    settings = composed("data=multi30k", "tokenizer=bpe", f"data.prepared={tmp_path}")
    prepared = prepare(build(settings["data"]), build(settings["tokenizer"]))
    assert prepared.ledger.num_in == 29000
    assert len(prepared.train) > 28900
    assert (len(prepared.valid), len(prepared.tests["test"])) == (1014, 1000)


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for part, first in (("train", 0), ("valid", 500), ("test", 600)):
        lines = [(f"dog number {n} runs", f"Hund Nummer {n} rennt") for n in range(first, first + 90)]
        (folder / f"{part}.en").write_text("".join(f"{en}\n" for en, _ in lines))
        (folder / f"{part}.de").write_text("".join(f"{de}\n" for _, de in lines))
        (folder / f"{part}.tsv").write_text("".join(f"{en}\t{de}\n" for en, de in lines))
    return folder


def prepare_arguments(corpus, *overrides):
    languages = ("data.source_language=en", "data.target_language=de")
    return ["-m", "mt.prepare", f"data.folder={corpus}", *languages, *overrides]


def prepare_command(tmp_path, corpus, *overrides):
    return run(prepare_arguments(corpus, *overrides), cwd=tmp_path, capture_output=True, text=True)


@pytest.mark.parametrize("kind", ["text", "tsv"])
def test_command_prepares_shows_the_counts_and_prints_the_folder(tmp_path, corpus, kind):
    done = prepare_command(tmp_path, corpus, f"data={kind}", "tokenizer.vocab_size=320")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"data/{kind}\n"
    assert "train  kept  90  100.00 %" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "data"]
    ledger = json.loads((tmp_path / "data" / kind / "ledger.json").read_text())
    assert ledger["in"] == ledger["kept"] == 90


def write_lines(folder, name, lines):
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


def test_several_target_languages_are_prepared_with_their_tags(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    texts = {"en": "the dog number {} runs", "de": "der Hund Nummer {} rennt", "fr": "le chien numéro {} court"}
    for language, part, numbers in (
        ("de", "train", range(0, 80)), ("de", "valid", range(80, 90)), ("de", "test", range(90, 95)),
        ("fr", "train", range(40, 96)), ("fr", "valid", range(96, 99)), ("fr", "test", range(40, 45)),
    ):  # fmt: skip
        for ending in ("en", language):
            write_lines(folder, f"en-{language}.{part}.{ending}", [texts[ending].format(n) for n in numbers])
    settings = composed(
        "data=multilingual", f"data.folder={folder}", f"data.prepared={tmp_path}/data", "tokenizer.vocab_size=330"
    )
    prepared = prepare(build(settings["data"]), build(settings["tokenizer"]))
    assert prepared.train.sources == {"en-de": range(0, 80), "en-fr": range(80, 131)}
    assert prepared.train.text(80)[:2] == ("<2fr> the dog number 45 runs", "le chien numéro 45 court")
    assert {name: (of.num_in, of.num_kept) for name, of in prepared.ledger.sources.items()} == {
        "en-de": (80, 80), "en-fr": (56, 51)
    }  # fmt: skip
    assert prepared.tokenizers.source.reserved_symbols == ("<2de>", "<2fr>")
    first_pieces = {
        prepared.tokenizers.source.pieces(prepared.train.pair(numbers[0])[0])[0]
        for numbers in prepared.train.sources.values()
    }
    assert first_pieces == {"<2de>", "<2fr>"}
    assert prepared.valid.sources[0] == "<2de> the dog number 80 runs"
    assert (tmp_path / "data" / "en-fr.en").read_text().startswith("<2fr> the dog number 40 runs\n")


def test_command_counts_real_and_made_text_apart(tmp_path, corpus):
    columns = [(corpus / f"train.{language}").read_text().splitlines()[:50] for language in ("en", "de")]
    made = [
        {"en": f"{source} made", "de": f"{target} made", "score": -0.1} for source, target in zip(*columns, strict=True)
    ]
    made += [{"en": "", "de": "x", "score": 0.0}, {"en": "a b", "de": "a c", "score": -3.5}, {"en": "a", "de": "b"}]
    write_lines(corpus, "made.jsonl", map(json.dumps, made))
    least = "data.train.made.corpus.least_score=-1"
    done = prepare_command(tmp_path, corpus, "data=back_translated", least, "tokenizer.vocab_size=320")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stderr.splitlines()]
    assert ["real", "kept", "90", "100.00", "%"] in rows
    assert ["made", "-", "empty", "side", "1", "1.89", "%"] in rows
    assert ["made", "-", "score", "too", "low", "2", "3.77", "%"] in rows
    assert ["train", "kept", "140", "97.90", "%"] in rows
    ledger = json.loads((tmp_path / "data" / "back_translated" / "ledger.json").read_text())
    assert (ledger["in"], ledger["sources"]["made"]["in"], ledger["sources"]["made"]["kept"]) == (143, 53, 50)


def test_command_prepares_shards_one_by_one(tmp_path, corpus):
    lists = [
        f"data.train.{side}=[{corpus}/train.{end},{corpus}/test.{end}]"
        for side, end in zip(("source", "target"), ("en", "de"), strict=True)
    ]
    done = prepare_command(
        tmp_path, corpus, "data=text", *lists, "~data.tests.test", "data.keep_shards=2", "tokenizer.vocab_size=320"
    )
    assert (done.returncode, done.stdout) == (0, "data/text\n"), done.stderr
    lists = [line.replace("train.", "train.real.", 1) for line in lists]
    done = prepare_command(tmp_path, corpus, "data=back_translated", *lists, "data.keep_shards=2")
    message = "data.keep_shards: every source must have the same number of files, real has 2, made has 1"
    assert (done.returncode, done.stderr) == (2, f"prepare: error: {message}\n")


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda folder: (folder / "train.de").unlink(), "file not found: {folder}/train.de"),
        (lambda folder: (folder / "valid.de").write_text("x\n"), "{folder}/valid.en has 90, {folder}/valid.de has 1"),
        (lambda folder: (folder / "train.de").write_bytes(b"gr\xfcn\n" * 90), "train.de: not UTF-8 at line 1, byte 2"),
    ],
    ids=["missing", "line-counts", "encoding"],
)
def test_a_broken_corpus_is_one_line_and_exit_code_2(tmp_path, corpus, harm, message):
    harm(corpus)
    done = prepare_command(tmp_path, corpus, "data=text")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message.format(folder=corpus) in done.stderr


@pytest.fixture
def large_corpus(corpus):
    """Enough to take a few seconds, so that one can get in between."""
    for language, text in (("en", "dog number {} runs and {} barks"), ("de", "Hund Nummer {} rennt und {} bellt")):
        (corpus / f"train.{language}").write_text("".join(text.format(n, n * n) + "\n" for n in range(100_000)))
    return corpus


OF_SEVERAL = (
    "data=text",
    "num_processes=2",
    "data/cleaning=off",
    "tokenizer.max_sentences=1000",
    "tokenizer.vocab_size=320",
)


@pytest.fixture
def begun(tmp_path, large_corpus):
    """The process of the command, in the middle of cleaning, and the workers that it has started."""

    def is_under_way():
        return bool(list(tmp_path.glob("data/text/.clean.*/train/source.text"))) and len(children(process)) == 2

    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc, to see the workers")
    command = prepare_arguments(large_corpus, *OF_SEVERAL)
    with Fork(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(is_under_way, process)
        yield process, children(process)
        process.kill()


def children(process):
    return [
        int(child)
        for task in Path(f"/proc/{process.pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


@pytest.mark.slow
def test_ctrl_c_ends_at_once_without_a_word_and_leaves_nobody_behind(tmp_path, begun):
    process, workers = begun
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_SECONDS) == 130
    assert (process.stdout.read(), process.stderr.read()) == ("", "")
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert [path.name for path in (tmp_path / "data" / "text").iterdir() if "clean" in path.name] == []


@pytest.mark.slow
def test_a_worker_that_is_killed_is_one_line_and_exit_code_2(begun):
    process, workers = begun
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(timeout=PATIENCE_SECONDS) == 2
    assert process.stderr.read() == "prepare: error: a worker process ended by signal 9; is there enough memory?\n"


@pytest.mark.slow
def test_after_a_kill_the_same_command_does_it_right(tmp_path, begun, large_corpus):
    process, workers = begun
    process.kill()
    process.wait()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    for folder in ("data/text", "data/fresh"):
        done = prepare_command(tmp_path, large_corpus, *OF_SEVERAL, f"data.prepared={folder}")
        assert done.returncode == 0, done.stderr
    again, fresh = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "data" / "text", tmp_path / "data" / "fresh")
    )
    assert again == fresh


def test_a_tsv_of_one_column_is_one_line_and_exit_code_2(tmp_path, corpus):
    (corpus / "train.tsv").write_text("only one\n")
    done = prepare_command(tmp_path, corpus, "data=tsv")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "train.tsv line 1: target_column" in done.stderr
