"""A real but untrained model as a checkpoint, a run folder with steps of a few numbers, and ways to die on the way."""

import os
import pickle
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from mt.checkpoint.card import ModelCard
from mt.checkpoint.folder import TrainingState, write_checkpoint
from mt.checkpoint.rebuild import build
from mt.checkpoint.run_folder import RunFolder
from mt.data.tokenizer import TokenizerSettings, train_tokenizers
from tests.conftest import composed_settings, reversed_pairs

FAST_YAML = (yaml.CSafeLoader, yaml.CSafeDumper) if yaml.__with_libyaml__ else (yaml.SafeLoader, yaml.SafeDumper)
TOY = ["model=tiny", "model.layer.dim=8", "model.layer.num_heads=2", "model.layer.feed_forward_dim=12"]
TOY.append("model.encoder.num_layers=1")


@pytest.fixture(scope="session")
def parts():
    """What `write_checkpoint` takes for a model of the size of a toy."""
    sources, targets = reversed_pairs(200, 1)
    tokenizers = train_tokenizers(sources, targets, 200, TokenizerSettings(vocab_size=40, byte_fallback=False))
    node = composed_settings(TOY)["model"]
    sizes = {"source_vocab_size": tokenizers.source.size, "target_vocab_size": tokenizers.target.size}
    return {
        "card": ModelCard(model=node, source_language="de", target_language="en"),
        "weights": dict(build(node, **sizes).named_parameters()),
        "tokenizers": tokenizers,
    }


@pytest.fixture(scope="session")
def sound(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "step_000005"
    state = TrainingState(tensors={"optimizer.exp_avg.x": torch.arange(6.0)}, numbers={"step": 5})
    write_checkpoint(folder, **parts, scores={"bleu": 1.0}, training=state)
    return folder


@pytest.fixture
def step(sound, tmp_path):
    """A sound step folder, to be damaged."""
    return Path(shutil.copytree(sound, tmp_path / "step_000005"))


SETTINGS = {"optimizer": {"peak": 0.1, "betas": [0.9, 0.98]}, "trainer": {"max_steps": 5, "seed": 1}, "name": "x"}
_TOKENIZERS = SimpleNamespace(save=lambda folder: (folder / "tokenizer.model").write_bytes(b"pieces"))


def opened(folder, settings=SETTINGS, **how):
    """A run folder whose steps hold four numbers, all of them the number of the step."""
    run = RunFolder.open(folder, settings, **how)
    run.describe(ModelCard(model={"size": 4}, source_language="de", target_language="en"), _TOKENIZERS)
    return run


def save(run, number, *, is_best=True, scores=None, mark=0):
    """Writes the step of that number; `mark` tells two of one number apart."""
    numbers = torch.full((4,), float(number + mark))
    return run.save(
        f"step_{number:06d}",
        {"w": numbers},
        {"bleu": float(number)} if scores is None else scores,
        TrainingState(tensors={"optimizer.m": -numbers}, numbers={"step": number, "mark": mark}),
        is_best=is_best,
    )


def tree(folder):
    """Every name below a folder with its content, links with their target; the lock aside."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
        if path.name != ".lock"
    }


def in_child(work):
    """(what `work` gives in a forked process, or the error it ends with, its exit status: negative for a signal)."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.write(writing, pickle.dumps(work()))
            os._exit(0)
        except BaseException as error:
            os.write(writing, pickle.dumps(f"{type(error).__name__}: {error}"))
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (pickle.loads(content) if content else None), status


DISK_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.mkdir", "os.truncate", "test.fsync"}


def at_disk_event(number, what):
    """In a forked process: calls `what` right before the numbered access to files, counted from 1 (fsync included)."""
    fsync, left = os.fsync, [number]

    def audited(descriptor):
        sys.audit("test.fsync", descriptor)
        return fsync(descriptor)

    def hook(event, arguments):
        if event in DISK_EVENTS:
            left[0] -= 1
            if left[0] == 0:
                places = arguments[:1] if event == "open" else arguments[:2]  # not the mode
                what(*(place for place in places if isinstance(place, (str, os.PathLike))))

    os.fsync = audited
    sys.addaudithook(hook)
    return lambda: left[0] <= 0  # whether it came so far


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def edited(step):
    """Edits of a YAML file of the step folder: `edited("model.yaml", format=2)`."""

    def edit(name, **changes):
        path = step / name
        body = yaml.load(path.read_text("utf-8"), FAST_YAML[0]) if path.exists() else {}
        path.write_text(yaml.dump({**body, **changes}, Dumper=FAST_YAML[1], sort_keys=False), "utf-8")

    return edit
