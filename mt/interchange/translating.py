"""Exported folders as translators, for the commands that translate with `--engine`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mt.alignment.choice import Choice
from mt.data.tokenizer import TokenizerPair
from mt.inference.aligner import Aligner
from mt.inference.options import Options
from mt.inference.tags import Tags
from mt.inference.translator import Translator
from mt.interchange.exported import read_settings, target_of


def load_translator(
    folders: Sequence[str | Path], engine: str, *, device: str = "auto", shortlist: bool = False
) -> Translator:
    """The translator of an exported folder, which runs in the engine of that name.

    Raises ValueError for several folders, one that is for another engine, and a shortlist that it does not have.
    """
    if len(folders) != 1:
        raise ValueError(f"--engine {engine} needs one folder as --checkpoint: the one that mt.export wrote")
    folder = Path(folders[0])
    name, target = target_of(folder)
    if name != engine:
        raise ValueError(f"{folder} is an export for {name}, not for {engine}: --engine {name}")
    about, tokenizers = read_settings(folder), TokenizerPair.load(folder)
    return Translator(
        target.decodable(folder, device=device, shortlist=shortlist),
        tokenizers,
        search=target.search(**about["search"]),
        device="cpu",
        max_pieces=about["max_pieces"],
        tags=Tags(tokenizers.source, reads_untagged=about["reads_untagged"]),
    )


def load_models(checkpoints: Sequence[Path], options: Options, *, engine: str) -> tuple[Translator, Aligner]:
    """What `mt.inference.job.Job` needs; the aligner cannot read attention."""
    translator = load_translator(checkpoints, engine, device=options.device, shortlist=options.shortlist)
    return translator, Aligner(translator, Choice(0, (0,), 0))


def target_language(folder: str | Path) -> str:
    """The target language of an exported folder."""
    return str(read_settings(Path(folder))["target_language"])
