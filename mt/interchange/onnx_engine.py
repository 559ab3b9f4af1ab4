"""Runs exports for ONNX: what a certificate asks of them, and their next pieces for our search (`--engine onnx`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mt.data.source import Source, Text
from mt.data.tokenizer import BOS, EOS, UNK
from mt.inference.decodable import BANNED
from mt.interchange.engine import Candidate, Pair
from mt.interchange.exported import read_settings
from mt.interchange.onnx_model import EPSILON, ROTARY, SCALE
from mt.search.hypothesis import Hypothesis

# N sentences, R rows (hypotheses), S source pieces, T target pieces, V vocabulary

RUNNER, RUNNER_FILE = "translate.py", Path(__file__).parent / "runners" / "onnx.py"
ENCODER, DECODER = "onnx/encoder_model.onnx", "onnx/decoder_model_merged.onnx"


class OnnxEngine:
    """An exported folder in onnxruntime, run by the folder's own translate.py on one thread."""

    def __init__(self, folder: Path):
        import onnxruntime

        self._runner = runner(folder, num_threads=1)
        self._about = self._runner.about
        self._ids = json.loads((folder / "generation_config.json").read_text("utf-8"))
        self._constants = {**constants_of(folder / ENCODER), **constants_of(folder / DECODER)}
        self.versions: Mapping[str, str] = {"onnxruntime": onnxruntime.__version__}

    def tokenize(self, lines: Sequence[str]) -> list[list[int]]:
        return [self._runner.pieces(line) for line in lines]

    def detokenize(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return [self._runner.text(list(one)) for one in ids]

    def log_probs(self, pairs: Sequence[Pair]) -> list[list[float]] | None:
        found = []
        for source, target in pairs:
            logits_TV = torch.from_numpy(self._forced(source, target)["logits"][0])
            found.append(logits_TV.log_softmax(-1)[range(len(target) + 1), [*target, EOS]].tolist())
        return found

    def translate(self, lines: Sequence[str], *, shortlist: bool = False) -> list[Candidate]:
        best = [self._runner.search(self._runner.pieces(line))[0] for line in lines]
        return [Candidate(tuple(ids), self._runner.text(ids), log_prob, score) for score, log_prob, ids in best]

    def attention(self, pairs: Sequence[Pair]) -> list[np.ndarray | None] | None:
        choice, found = self._about["alignment"], []
        for source, target in pairs:
            maps_HTS = self._forced(source, target)[f"cross_attentions.{choice['layer']}"][0, list(choice["heads"])]
            found.append(maps_HTS.mean(0)[:-1, :-1] if target else None)
        return found

    def _forced(self, source: Sequence[int], target: Sequence[int]) -> dict[str, np.ndarray]:
        feed = self._runner.start(np.array([[*source, EOS]]))
        return self._runner.step(feed, np.array([[BOS, *target]]))[0]

    def constants(self) -> Mapping[str, float]:
        names = {"pad": "pad_token_id", "eos": "eos_token_id", "bos": "decoder_start_token_id"}
        ids = {f"{name}_id": float(self._ids[key]) for name, key in names.items()}
        return {**self._constants, **ids, "unk_id": float(sorted(self._ids["suppress_tokens"])[UNK])}

    def without(self) -> Mapping[str, str]:
        return {}


def constants_of(path: Path) -> dict[str, float]:
    """The small numbers in a graph, by their names in the plan."""
    import onnx

    graph, found = onnx.load(str(path)).graph, {}
    for one in graph.initializer:
        if one.name in (EPSILON, SCALE, ROTARY):
            found[one.name] = float(onnx.numpy_helper.to_array(one))
    norms = [node for node in graph.node if node.op_type == "LayerNormalization"]
    for attribute in (one for node in norms for one in node.attribute if one.name == "epsilon"):
        found[EPSILON] = attribute.f
    return found


@dataclass(frozen=True)
class OnnxState:
    """The state of decoding: what the decoder gets next, a row for each hypothesis."""

    feed: Mapping[str, np.ndarray]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def rows(self, index_R: Tensor, sentences_N: Tensor | None = None) -> OnnxState:
        """See `mt.search.search.State`."""
        index = index_R.numpy()
        return replace(self, feed={name: one[index] for name, one in self.feed.items()})


class OnnxDecodable:
    """An exported folder as a `Decodable`, which any search takes.

    `device` is auto, cpu, cuda or cuda:N. Raises ValueError for a shortlist, which these folders do not have.
    """

    banned: tuple[int, ...] = BANNED
    needs_trees = False
    places: ClassVar[Mapping[str, int]] = {}

    def __init__(self, folder: Path, *, device: str, shortlist: bool):
        if shortlist:
            raise ValueError(f"{folder} has no shortlist: an ONNX export computes all pieces")
        self.max_length: int | None = read_settings(folder)["table_rows"]
        self._runner = runner(folder, num_threads=torch.get_num_threads(), device=device)

    def start(self, source: Source, *, needed: Sequence[Sequence[int]] | None = None) -> OnnxState:
        assert isinstance(source, Text)
        ids_NS = source.ids_BS.cpu().numpy()
        return OnnxState(self._runner.start(ids_NS))

    def step(self, tokens_R: Tensor, state: OnnxState) -> tuple[Tensor, OnnxState]:
        logits_RTV, state = self.extend(tokens_R[:, None], state)
        return logits_RTV[:, 0], state

    def extend(self, tokens_RT: Tensor, state: OnnxState) -> tuple[Tensor, OnnxState]:
        found, feed = self._runner.step(state.feed, tokens_RT.cpu().numpy())
        return torch.from_numpy(found["logits"]), OnnxState(feed)

    def in_vocabulary(self, state: OnnxState, sentence: int, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        return list(hypotheses)


def runner(folder: Path, *, num_threads: int, device: str = "cpu") -> Any:
    """The folder's program (`mt/interchange/runners/onnx.py`), loaded.

    It is this version's own copy. Raises ValueError where the folder has another one, which is not run, and for a
    device that onnxruntime does not have.
    """
    import onnxruntime

    own = import_module("mt.interchange.runners.onnx")
    if (folder / RUNNER).read_bytes() != RUNNER_FILE.read_bytes():
        raise ValueError(f"{folder / RUNNER} is not the program of this version, so it is not run: export again")
    kind, _, number = device.partition(":")
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if kind == "cuda" and not has_cuda:
        raise ValueError(f"--device {device}: this onnxruntime runs on CPUs; onnxruntime-gpu has CUDA")
    providers: list[Any] = ["CPUExecutionProvider"]
    if has_cuda and kind != "cpu":
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(number or 0)}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    found = own.Translator(folder, sess_options=options, providers=providers)
    for session in (found.encoder, found.decoder):
        check_free(session)
    return found


def check_free(session: Any) -> None:
    """Raises ValueError where a graph is for one size of batch, source, target or past only."""
    for one in (*session.get_inputs(), *session.get_outputs()):
        if one.name == "use_cache_branch":
            continue
        axes = (0, 2) if one.name.startswith(("past", "present")) else (0, 2, 3) if "attentions" in one.name else (0, 1)
        if frozen := [axis for axis in axes if not isinstance(one.shape[axis], str)]:
            raise ValueError(
                f"{one.name} has a fixed size at axis {frozen[0]} ({one.shape[frozen[0]]}); it must be free"
            )
