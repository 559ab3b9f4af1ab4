"""Fresh models of every setting as checkpoints, and the lines that exports of them are measured with."""

import shutil
from pathlib import Path

import pytest
import torch

from mt.checkpoint.folder import ModelCard, load_checkpoint, write_checkpoint
from mt.checkpoint.outline import kept_tensors
from mt.checkpoint.rebuild import build
from mt.data.tokenizer import TokenizerPair, TokenizerSettings, train_tokenizers
from mt.export import main
from mt.interchange.evidence import evidence_of
from mt.interchange.exported import write_common
from mt.interchange.plan import plan_of
from mt.interchange.target import check_carried, find_target
from tests.conftest import composed_settings, made_once, reversed_pairs
from tests.corpora import CORPORA
from tests.interchange.vocabularies import VOCABULARIES, real_lines_of

SOURCES, TARGETS = reversed_pairs(200, seed=3)
NUM_LINES = 12
SMALL = [
    "layer.dim=24",
    "layer.num_heads=4",
    "layer.feed_forward_dim=40",
    "encoder.num_layers=2",
    "decoder.num_layers=3",
]


@pytest.fixture(scope="session")
def joint_tokenizer(tmp_path_factory):
    """One vocabulary for both sides."""
    return _tokenizers(tmp_path_factory, joint=True)


@pytest.fixture(scope="session")
def separate_tokenizers(tmp_path_factory):
    """A vocabulary for each side."""
    return _tokenizers(tmp_path_factory, joint=False)


@pytest.fixture(scope="session")
def real_lines():
    """Lines of a corpus in two languages, in turns."""
    return real_lines_of(CORPORA)


@pytest.fixture(params=VOCABULARIES)
def vocabulary(request, real_lines, tmp_path_factory):
    """A tokenizer of each kind."""
    sides, settings = (real_lines[:1600:2], real_lines[1:1600:2]), VOCABULARIES[request.param]
    folder = made_once(
        tmp_path_factory,
        f"vocabulary {request.param}",
        lambda path: train_tokenizers(*sides, len(sides[0]), settings).save(path),
    )
    return TokenizerPair.load(folder).source


@pytest.fixture
def exported_onnx(trained_run, corpus_folder, tmp_path_factory):
    """The folder that the command wrote for onnxruntime."""
    files = ["--source", f"{corpus_folder}/test.de", "--limit", "10"]

    def make(folder: Path) -> None:
        main(["onnx", "--checkpoint", str(trained_run), "--output", str(folder / "export"), *files])

    return made_once(tmp_path_factory, "exported onnx", make) / "export"


@pytest.fixture
def exported(trained_run, corpus_folder, tmp_path_factory, tmp_path):
    """A copy of the folder that the command wrote for CTranslate2, in a path with blanks."""
    files = ["--source", f"{corpus_folder}/test.de", "--reference", f"{corpus_folder}/test.en"]

    def make(folder: Path) -> None:
        main(["ctranslate2", "--checkpoint", str(trained_run), "--output", str(folder / "export"), *files])

    made = made_once(tmp_path_factory, "exported", make) / "export"
    return Path(shutil.copytree(made, tmp_path / "with a blank" / "export"))


def _tokenizers(tmp_path_factory, *, joint):
    settings = TokenizerSettings(vocab_size=400, joint=joint, model_type="bpe")
    folder = made_once(
        tmp_path_factory,
        f"tokenizers_{joint}",
        lambda path: train_tokenizers(SOURCES, TARGETS, len(SOURCES), settings).save(path),
    )
    return TokenizerPair.load(folder)


def fresh(
    folder: Path, tokenizers: TokenizerPair, *overrides: str, model="small", changes=(), change=lambda model: None
) -> Path:
    """A checkpoint of a fresh model of these settings of `model`, with probabilities that differ as trained ones do.

    `changes` are those of its card, `change` is made to its weights.
    """
    settings = [f"model={model}", *(f"model.{one}" for one in (*SMALL, *overrides) if "@" not in one)]
    settings += [one for one in overrides if "@" in one]
    node = composed_settings(
        ["data=text", "data.folder=x", "data.source_language=de", "data.target_language=en", *settings]
    )
    torch.manual_seed(1)
    sizes = {"source_vocab_size": tokenizers.source.size, "target_vocab_size": tokenizers.target.size}
    card = ModelCard(
        model=node["model"], source_language="de", target_language="en", max_pieces=30, changes=list(changes)
    )
    model = build(card.model, **sizes)
    for of_card in card.changes:
        model = build(of_card, model=model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            elif "tokens" not in name:
                parameter.mul_(1.5)
        model.target_embedding.tokens.weight.mul_(3.0)
        change(model)
    write_checkpoint(folder, card=card, weights=kept_tensors(model), tokenizers=tokenizers, scores={})
    return folder


def written(name: str, checkpoint: Path, folder: Path):
    """The exported folder's engine, and what our engine says of the first lines."""
    loaded = load_checkpoint(checkpoint)
    plan = plan_of(loaded)
    check_carried(name, plan)
    folder.mkdir()
    find_target(name).write(plan, loaded, folder, quantization=None)
    write_common(folder, plan, loaded, name=name, quantization=None)
    ours = evidence_of(lambda: load_checkpoint(checkpoint), plan, SOURCES[:NUM_LINES], TARGETS[:NUM_LINES])
    return find_target(name).engine(folder), ours
