"""Runs exports for CTranslate2: what a certificate asks of them, and their beam search for `--engine ctranslate2`."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mt.checkpoint.small_file import read_json
from mt.interchange.engine import Candidate, Pair
from mt.search.beam import Beam
from mt.search.hypothesis import Hypothesis

RUNNER, RUNNER_FILE = "translate.py", Path(__file__).parent / "runners" / "ctranslate2.py"
BATCH = 4096  # pieces
SCALARS = {0: "f", 1: "b", 2: "h", 3: "i"}  # by the type number of model.bin


class CTranslate2Engine:
    """An exported folder in CTranslate2, run by the folder's own translate.py on one thread."""

    def __init__(self, folder: Path):
        import ctranslate2

        self._runner = runner(folder, intra_threads=1)
        self._model, about = self._runner.model, self._runner.about
        self._config = read_json(folder / "config.json")
        self._has_window = str(about["settings"]["decoder.self_attention"]).startswith("window")
        self._has_heads = about["alignment"]["layer"] < about["settings"]["decoder.num_layers"]
        self._scalars = scalars(folder / "model.bin")
        self._vocabularies = Vocabularies(folder)
        self.versions: Mapping[str, str] = {
            "ctranslate2": ctranslate2.__version__,
            "compute_type": self._model.compute_type,
        }

    def tokenize(self, lines: Sequence[str]) -> list[list[int]]:
        unknown = self._vocabularies.source_ids[self._config["unk_token"]]
        return [
            [self._vocabularies.source_ids.get(piece, unknown) for piece in self._runner.pieces(line)] for line in lines
        ]

    def detokenize(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return [self._runner.text([self._vocabularies.target[id_] for id_ in one]) for one in ids]

    def log_probs(self, pairs: Sequence[Pair]) -> list[list[float]] | None:
        if self._has_window:
            return None
        sources, targets = self._pieces(pairs)
        found = self._model.score_batch(sources, targets, max_input_length=0, max_batch_size=BATCH, batch_type="tokens")
        return [one.log_probs for one in found]

    def translate(self, lines: Sequence[str], *, shortlist: bool = False) -> list[Candidate]:
        sources = list(map(self._runner.pieces, lines))
        found = self._runner.search(sources, **({"use_vmap": True} if shortlist else {}))
        return [
            Candidate(
                ids=tuple(self._vocabularies.target_ids[piece] for piece in one["pieces"]),
                text=self._runner.text(one["pieces"]),
                log_prob=one["log_prob"],
                score=one["score"],
            )
            for one, *_ in found
        ]

    def attention(self, pairs: Sequence[Pair]) -> list[np.ndarray | None] | None:
        if not self._has_heads:
            return None
        sources, targets = self._pieces(pairs)
        searched = [first for first, *_ in self._runner.search(sources, return_attention=True)]
        found = [
            one if one["pieces"] == target else self._forced(source, target)
            for one, source, target in zip(searched, sources, targets, strict=True)
        ]
        return [
            np.array(one["attention"][: len(target)]) if target else None
            for one, target in zip(found, targets, strict=True)
        ]

    def _forced(self, source: Sequence[str], target: Sequence[str]) -> dict[str, Any]:
        """The result for a target that the search did not find."""
        how = {"beam_size": 1, "max_decoding_length": len(target) + 1, "max_input_length": 0}
        (result,) = self._model.translate_batch([source], [target], return_attention=True, return_scores=True, **how)
        return self._runner.ranked(result, 1 << 30)[0]

    def constants(self) -> Mapping[str, float]:
        ids = {name: self._vocabularies.target_ids[self._config[f"{name}_token"]] for name in ("unk", "bos", "eos")}
        return {
            "norm_epsilon": self._config["layer_norm_epsilon"],
            **{f"{name}_id": float(id_) for name, id_ in ids.items()},
            **{name: value for name, value in self._scalars.items() if name == "rotary_base"},
        }

    def without(self) -> Mapping[str, str]:
        return {
            "log_probs": "CTranslate2 uses the window in decoding alone; scores of decoding are compared",
            "attention": "the heads that were chosen for alignment are not in the export",
        }

    def _pieces(self, pairs: Sequence[Pair]) -> tuple[list[list[str]], list[list[str]]]:
        sources = [[self._vocabularies.source[id_] for id_ in source] for source, _ in pairs]
        return sources, [[self._vocabularies.target[id_] for id_ in target] for _, target in pairs]


class CTranslate2Searcher:
    """An exported folder as a searcher (`mt.interchange.whole_search`): CTranslate2 does the beam search.

    `device` is auto, cpu, cuda or cuda:N. Raises ValueError for a shortlist that the folder does not have.
    """

    name = "ctranslate2"

    def __init__(self, folder: Path, *, device: str, shortlist: bool):
        if shortlist and not (folder / "vmap.txt").is_file():
            raise ValueError(f"{folder} has no shortlist: python -m mt.shortlist, then mt.export, make one with it")
        kind, _, number = device.partition(":")
        self._runner = runner(folder, device=kind, device_index=int(number or 0), intra_threads=torch.get_num_threads())
        self._more = {"use_vmap": True} if shortlist else {}
        self._vocabularies = Vocabularies(folder)

    def n_best(self, sources: Sequence[Sequence[int]], search: Beam) -> list[list[Hypothesis]]:
        names = ("size", "length_penalty", "max_length")
        self._runner.about |= {"search": {name: getattr(search, name) for name in names}}
        source, target_ids = self._vocabularies.source, self._vocabularies.target_ids
        found = self._runner.search([[source[id_] for id_ in ids] for ids in sources], **self._more)
        return [
            [
                Hypothesis(tuple(target_ids[p] for p in one["pieces"]), one["log_prob"], one["score"], one["is_whole"])
                for one in of_source[: search.n_best]
            ]
            for of_source in found
        ]


class Vocabularies:
    """The pieces of both sides in the order of their ids, and the ids by piece, as an exported folder has them."""

    def __init__(self, folder: Path):
        sides = [folder / "shared_vocabulary.json"] * 2
        if not sides[0].is_file():
            sides = [folder / "source_vocabulary.json", folder / "target_vocabulary.json"]
        self.source, self.target = (json.loads(path.read_text("utf-8")) for path in sides)
        self.source_ids, self.target_ids = (
            {piece: id_ for id_, piece in enumerate(pieces)} for pieces in (self.source, self.target)
        )


def runner(folder: Path, **how: Any) -> Any:
    """The folder's program (`mt/interchange/runners/ctranslate2.py`), loaded; `how` as in `ctranslate2.Translator`.

    It is this version's own copy. Raises ValueError where the folder has another one, which is not run, and where its
    files cannot be loaded.
    """
    own = import_module("mt.interchange.runners.ctranslate2")
    if (folder / RUNNER).read_bytes() != RUNNER_FILE.read_bytes():
        raise ValueError(f"{folder / RUNNER} is not the program of this version, so it is not run: export again")
    try:
        return own.Translator(folder, **how)
    except (RuntimeError, ValueError, OSError) as error:  # of CTranslate2 and sentencepiece
        raise ValueError(f"{folder} cannot be loaded: {' '.join(str(error).split())}") from None


def scalars(path: Path) -> dict[str, float]:
    """The single numbers in a model file by their last name, such as rotary_base and num_heads."""
    data, found = path.read_bytes(), {}
    place = 4

    def text() -> str:
        nonlocal place
        (size,) = struct.unpack_from("H", data, place)
        place += 2 + size
        return data[place - size : place - 1].decode()

    text()  # the name of the specification
    (_, count) = struct.unpack_from("II", data, place)
    place += 8
    for _ in range(count):
        name = text()
        rank = data[place]
        place += 1 + 4 * rank
        kind, size = struct.unpack_from("<BI", data, place)
        place += 5
        if rank == 0 and kind in SCALARS:
            (found[name.rpartition("/")[2]],) = struct.unpack_from(SCALARS[kind], data, place)
        place += size
    return found
