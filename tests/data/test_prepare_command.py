"""Every data and tokenizer config composes, builds and prepares; mistakes are one line and exit code 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mt.checkpoint.rebuild import build
from mt.command_line import config_folder
from mt.data.prepare import prepare
from mt.data.settings import DataSettings

CORPORA = Path(os.environ.get("MT_CORPORA", Path(__file__).parents[2].parent / "shared" / "corpora"))
NEEDED = {
    "text": ["data.source_language=en", "data.target_language=de", "data.folder=my/corpus"],
    "tsv": ["data.source_language=en", "data.target_language=de", "data.folder=my/corpus"],
    "hub": [
        "data.source_language=en", "data.target_language=de", "data.train.path=some/set",
        "data.train.source_field=translation.en", "data.train.target_field=translation.de",
    ],
}  # fmt: skip


def composed(*overrides):
    with initialize_config_dir(version_base="1.3", config_dir=str(config_folder())):
        return OmegaConf.to_container(compose("prepare", list(overrides)), resolve=True, throw_on_missing=True)


def options(group):
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


@pytest.mark.parametrize("name", options("data"))
@pytest.mark.parametrize("cleaning", options("data/cleaning"))
def test_every_data_config_builds(name, cleaning):
    settings = composed(f"data={name}", f"data/cleaning={cleaning}", *NEEDED.get(name, []))
    data = build(settings["data"])
    assert isinstance(data, DataSettings)
    assert (data.source_language, data.target_language) == ("en", "de")
    assert "test" in data.tests
    assert data.prepared.startswith("data/")


@pytest.mark.parametrize("name", options("tokenizer"))
def test_every_tokenizer_config_builds(name):
    assert build(composed(f"tokenizer={name}")["tokenizer"]).model_type == name


def test_multi30k_is_the_same_from_files_and_from_the_hub():
    files, hub = (composed(f"data={name}")["data"] for name in ("multi30k", "multi30k_hub"))
    for same in ("name", "source_language", "target_language", "cleaning", "max_pieces", "prepared"):
        assert files[same] == hub[same]
    assert files["tests"].keys() == hub["tests"].keys()


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


def prepare_command(tmp_path, corpus, *overrides):
    languages = ("data.source_language=en", "data.target_language=de")
    command = [sys.executable, "-m", "mt.prepare", f"data.folder={corpus}", *languages, *overrides]
    environment = {**os.environ, "PYTHONPATH": str(config_folder().parent)}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["text", "tsv"])
def test_command_prepares_shows_the_counts_and_prints_the_folder(tmp_path, corpus, kind):
    done = prepare_command(tmp_path, corpus, f"data={kind}", "tokenizer.vocab_size=320")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"data/{kind}\n"
    assert "train  kept  90  100.00 %" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "data"]
    ledger = json.loads((tmp_path / "data" / kind / "ledger.json").read_text())
    assert ledger["in"] == ledger["kept"] == 90


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


def test_a_tsv_of_one_column_is_one_line_and_exit_code_2(tmp_path, corpus):
    (corpus / "train.tsv").write_text("only one\n")
    done = prepare_command(tmp_path, corpus, "data=tsv")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "train.tsv line 1: target_column" in done.stderr
