"""Runs exports for transformers: what a certificate asks of them, and their beam search for `--engine transformers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mt.data.tokenizer import BOS, EOS
from mt.interchange.engine import Candidate, Pair
from mt.search.beam import Beam
from mt.search.hypothesis import Hypothesis

OWN_CODE, OWN_CODE_FILE = "modeling_mt.py", Path(__file__).parent / "own_code" / "modeling_mt.py"
RUNNER, RUNNER_FILE = "translate.py", Path(__file__).parent / "runners" / "transformers.py"


class TransformersEngine:
    """An exported folder in transformers, run by the folder's own translate.py."""

    def __init__(self, folder: Path):
        import tokenizers
        import transformers

        self._runner = runner(folder, attn_implementation="sdpa")
        self._eager = None if (folder / OWN_CODE).is_file() else runner(folder, attn_implementation="eager").model
        self._model, self._choice = self._runner.model, self._runner.about["alignment"]
        self._has_heads = self._choice["layer"] < self._runner.about["settings"]["decoder.num_layers"]
        self.versions: Mapping[str, str] = {
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
        }

    def tokenize(self, lines: Sequence[str]) -> list[list[int]]:
        return [ids[:-1] for ids in self._runner.source(list(lines))["input_ids"]]

    def detokenize(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return [self._runner.text(list(one)) for one in ids]

    @torch.inference_mode()
    def log_probs(self, pairs: Sequence[Pair]) -> list[list[float]] | None:
        found = []
        for source, target in pairs:
            logits_TV = self._model(**_forced(source, target)).logits[0]
            found.append(logits_TV.log_softmax(-1)[range(len(target) + 1), [*target, EOS]].tolist())
        return found

    def translate(self, lines: Sequence[str], *, shortlist: bool = False) -> list[Candidate]:
        found = self._runner.search([self._runner.source(line)["input_ids"] for line in lines])
        return [
            Candidate(
                ids=tuple(best["ids"]),
                text=self._runner.text(best["ids"]),
                log_prob=best["log_prob"],
                score=best["score"],
            )
            for best, *_ in found
        ]

    @torch.inference_mode()
    def attention(self, pairs: Sequence[Pair]) -> list[np.ndarray | None] | None:
        if not self._has_heads:
            return None
        model, found = self._eager or self._model, []
        for source, target in pairs:
            maps = model(**_forced(source, target), output_attentions=True).cross_attentions
            weights_HTS = maps[self._choice["layer"]][0, list(self._choice["heads"])]
            found.append(weights_HTS.mean(0)[:-1, :-1].numpy() if target else None)
        return found

    def constants(self) -> Mapping[str, float]:
        config, tokenizer = self._model.config, self._runner.source
        norms = [part for part in self._model.modules() if isinstance(part, (torch.nn.LayerNorm, torch.nn.RMSNorm))]
        found = {"norm_epsilon": float(norms[0].eps or 0)}
        if hasattr(config, "embedding_scale"):  # of modeling_mt.py
            found["embedding_scale"] = config.embedding_scale
            if config.positions == "rotary":
                found["rotary_base"] = config.rotary_base
        else:
            found["embedding_scale"] = config.d_model**0.5 if config.scale_embedding else 1.0
        ids = {"pad": config.pad_token_id, "unk": tokenizer.unk_token_id, "eos": config.eos_token_id}
        ids["bos"] = self._model.generation_config.decoder_start_token_id
        return {**found, **{f"{name}_id": float(id_) for name, id_ in ids.items()}}

    def without(self) -> Mapping[str, str]:
        return {"attention": "the heads that were chosen for alignment are not in the export"}


def _forced(source: Sequence[int], target: Sequence[int]) -> dict[str, torch.Tensor]:
    return {"input_ids": torch.tensor([[*source, EOS]]), "decoder_input_ids": torch.tensor([[BOS, *target]])}


class TransformersSearcher:
    """An exported folder as a searcher (`mt.interchange.whole_search`): `generate` does the beam search.

    `device` is auto, cpu, cuda or cuda:N. Raises ValueError for a shortlist, which these folders do not have.
    """

    name = "transformers"

    def __init__(self, folder: Path, *, device: str, shortlist: bool):
        if shortlist:
            raise ValueError(f"{folder} has no shortlist: transformers computes all pieces")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._runner = runner(folder, device=device)

    def n_best(self, sources: Sequence[Sequence[int]], search: Beam) -> list[list[Hypothesis]]:
        names = ("size", "length_penalty", "max_length")
        self._runner.about |= {"search": {name: getattr(search, name) for name in names}}
        return [
            [
                Hypothesis(tuple(one["ids"]), one["log_prob"], one["score"], one["is_whole"])
                for one in of_source[: search.n_best]
            ]
            for of_source in self._runner.search([[*ids, EOS] for ids in sources])
        ]


def runner(folder: Path, **how: Any) -> Any:
    """The folder's program (`mt/interchange/runners/transformers.py`), loaded; `how` as in `from_pretrained`.

    Programs are this version's own copies. Raises ValueError where the folder has others: they are not run.
    """
    from transformers.utils import logging

    own = import_module("mt.interchange.runners.transformers")
    logging.disable_progress_bar()
    for name, file in ((RUNNER, RUNNER_FILE), (OWN_CODE, OWN_CODE_FILE)):
        path = folder / name
        if path.is_file() and path.read_bytes() != file.read_bytes():
            raise ValueError(f"{path} is not the program of this version, so it is not run: export again")
    if (folder / OWN_CODE).is_file():
        how.pop("attn_implementation", None)
    return own.Translator(folder, **how)
