"""Parts that many tests share: a tiny corpus whose translation is known (every word answered, in reverse order)."""

import gc
import logging
import os
import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import mt  # noqa: F401 (before torch is loaded: sets how its threads wait)

# tiny models gain nothing from two threads, and lose much when the machine is busy; so in processes that tests start
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import yaml
from filelock import FileLock

from tests.children import give_clean_signals
from tests.slow import is_slow

gc.disable()  # while tests are collected; on again in pytest_collection_finish
# no test bounds time: an example takes longer when the machine is busy
hypothesis.settings.register_profile("all", deadline=None, max_examples=50)
hypothesis.settings.register_profile("fast", deadline=None, max_examples=10)
hypothesis.settings.load_profile("all")
give_clean_signals()

WORDS = {"eins": "one", "zwei": "two", "drei": "three", "vier": "four", "fünf": "five", "sechs": "six", "acht": "eight"}


def reversed_pairs(count, seed):
    """Sentences of number words and their translation word by word, in reverse order."""
    rng = random.Random(seed)
    lines = [rng.choices(list(WORDS), k=rng.randint(2, 6)) for _ in range(count)]
    return [" ".join(line) for line in lines], [" ".join(WORDS[word] for word in reversed(line)) for line in lines]


def pytest_configure(config):
    """Fast tests try a fifth of the generated examples; before the test files are read, which may multiply them."""
    if config.option.markexpr == "not slow":
        hypothesis.settings.load_profile("fast")
    if getattr(config.option, "numprocesses", None):  # this process only distributes tests: it needs no torch
        config.option.loadscopereorder = False  # in the order of pytest_collection_modifyitems
    else:
        _set_up_torch()


def _set_up_torch():
    import torch

    from tests.seeds import seed_only_devices_that_exist

    torch.set_num_threads(1)
    seed_only_devices_that_exist()


def pytest_collection_modifyitems(items):
    """Marks slow tests. Files with slow ones come first, so that no process is left with a long file at the end."""
    slow = {item for item in items if is_slow(item)}
    for item in slow:
        item.add_marker(pytest.mark.slow)
    files = {item.path for item in slow}
    items.sort(key=lambda item: item.path not in files)


def pytest_collection_finish():
    """What was loaded stays: a garbage collection that looks through torch's half a million objects takes 0.2 s."""
    gc.collect()
    gc.freeze()
    gc.enable()


def made_once(tmp_path_factory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` filled, by whichever of the processes that run the tests (`pytest -n`) came first."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / "shared" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (made := Path(f"{folder}.made")).exists():
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def model_of(tmp_path_factory):
    """task -> the step folder of a model that has learned it, for which nothing was chosen yet; it must stay so."""

    from tests.alignment.known import train  # and torch

    @cache
    def folder(task):
        learned = made_once(tmp_path_factory, task.name, lambda folder: train(task, folder / "step_000001"))
        return learned / "step_000001"

    return folder


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory):
    """train.de, train.en, valid.*, test.* of reversed number words, with gold links in valid.align."""
    return made_once(tmp_path_factory, "corpus", write_corpus)


def write_corpus(folder: Path) -> None:
    for name, count, seed in (("train", 3000, 1), ("valid", 60, 2), ("test", 60, 3)):
        sources, targets = reversed_pairs(count, seed)
        links = [" ".join(f"{i}-{n - 1 - i}" for i in range(n)) for n in (len(line.split()) for line in sources)]
        for ending, lines in (("de", sources), ("en", targets), ("align", links)):
            (folder / f"{name}.{ending}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def train_overrides(corpus_folder, work):
    """Settings of `python -m mt.train` for a model that learns the tiny corpus in seconds."""
    return [
        "data=text",
        "data.name=numbers",
        "data.source_language=de",
        "data.target_language=en",
        f"data.folder={corpus_folder}",
        f"+data.valid.links={corpus_folder}/valid.align",
        f"data.prepared={work}/data",
        f"folder={work}/run",
        "tokenizer.vocab_size=40",
        "tokenizer.byte_fallback=false",
        "model=tiny",
        "model.layer.dim=32",
        "model.layer.num_heads=2",
        "model.layer.feed_forward_dim=64",
        "model.encoder.num_layers=1",
        "model.decoder.num_layers=2",
        "batches.max_tokens=1200",
        "schedule.peak=0.008",
        "schedule.warmup_steps=60",
        "trainer.max_steps=450",
        "trainer.validate_every=450",
        "trainer.precision=float32",
        "trainer.device=cpu",
    ]


# for a training of a few updates: its model does not end its sentences, and pictures take longer than its updates
SHORT_VALIDATION = (
    "validation.attention_lines=0",
    "validation.sample_lines=0",
    "+validation.search.max_length=3",
    "search.max_length=3",
)


@pytest.fixture
def curves(monkeypatch):
    """The files that curves would be drawn into at the ends of trainings in this process, half a second each."""
    drawn = []
    monkeypatch.setattr("mt.evaluation.final.draw_curve", lambda metrics, files, title: drawn.append(files))
    return drawn


def composed_settings(overrides):
    """The settings of `mt.train` as plain values, as the command composes them."""
    from tests.composing import composed  # Hydra is not needed where tests are only distributed

    return composed("train", overrides)


@pytest.fixture(scope="session")
def composed():
    """overrides -> the settings of `mt.train` as plain values."""
    return composed_settings


@pytest.fixture(scope="session")
def trained_run(corpus_folder, tmp_path_factory):
    """The run folder of a model that has learned the tiny corpus, trained by the command's own `main`."""
    from mt.train import main

    work = made_once(
        tmp_path_factory, "trained", lambda folder: main(composed_settings(train_overrides(corpus_folder, folder)))
    )
    assert yaml.safe_load((work / "run" / "config.yaml").read_text())["name"] == "numbers"
    return work / "run"


def seeing_overrides(work, experiment="captions"):
    """Settings of `python -m mt.train` for a model that sees, too small to learn anything, trained on drawn scenes."""
    corpus = "data.{}.english.corpus.size={}"
    return [
        f"experiment={experiment}",
        *(corpus.format(name, size) for name, size in (("train", 40), ("valid", 3), ("tests.test", 3))),
        *("data.valid.german.corpus.size=3", "data.tests.test.german.corpus.size=3", "~data.tests.test_compositional"),
        *(f"data.prepared={work}/data", f"folder={work}/run", "tokenizer.vocab_size=400"),
        *("model.layer.dim=16", "model.layer.num_heads=2", "model.layer.feed_forward_dim=16"),
        *("model.beside.image.channels=[4,8,8]", "model.beside.image.strides=[4,2,1]"),
        *("batches.max_tokens=800", "trainer.max_steps=2", "trainer.validate_every=2", "trainer.device=cpu"),
        *("search=greedy", "search.max_length=3", "+validation.search.max_length=3"),
    ]


@pytest.fixture(scope="session")
def seeing_run(tmp_path_factory):
    """The run folder of a model that sees and has hardly learned anything."""
    from mt.train import main

    return (
        made_once(tmp_path_factory, "seeing", lambda folder: main(composed_settings(seeing_overrides(folder)))) / "run"
    )


@pytest.fixture(scope="session")
def finding_run(tmp_path_factory):
    """The same with a space that texts and pictures share."""
    from mt.train import main

    def train(folder):
        main(composed_settings([*seeing_overrides(folder, "finding"), "model.space.width=8", "model.space.hidden=12"]))

    return made_once(tmp_path_factory, "finding", train) / "run"


@pytest.fixture
def translate(trained_run, capsys, monkeypatch, tmp_path):
    """(flags, standard input) -> lines of standard output."""

    from mt.translate import main

    def call(*flags, stdin=b""):
        (tmp_path / "stdin").write_bytes(stdin)
        with (tmp_path / "stdin").open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert main(["--checkpoint", str(trained_run), "--device", "cpu", *flags]) == 0
        return capsys.readouterr().out.split("\n")[:-1]

    return call


def _loggers():
    known = logging.root.manager.loggerDict.items()
    return [(name, logger) for name, logger in known if isinstance(logger, logging.Logger)]


@pytest.fixture(autouse=True)
def _logging_as_before():
    """A command within a test sets levels, and adds a handler for that test's stderr, which is then closed."""
    root = logging.getLogger()
    handlers, level, disabled_below = root.handlers[:], root.level, root.manager.disable
    how = {name: (logger.disabled, logger.propagate, logger.level) for name, logger in _loggers()}
    yield
    root.manager.disable = disabled_below
    for name, logger in _loggers():  # a configuration of logging may turn off all that there are
        logger.disabled, logger.propagate, level_before = how.get(name, (False, logger.propagate, logging.NOTSET))
        if logger.level != level_before:  # setting a level empties a cache of every logger
            logger.setLevel(level_before)
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _no_colours(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    os.environ.pop("MT_DEBUG", None)
