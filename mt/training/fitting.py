"""Whether a model and a corpus go together, before and after the corpus is prepared."""

from __future__ import annotations

from dataclasses import dataclass

from mt.data.store import Store
from mt.data.tokenizer import TokenizerPair
from mt.model.seq2seq import Seq2Seq


def check_fits_corpus(model: Seq2Seq, tokenizers: TokenizerPair, *, max_pieces: int) -> None:
    """Raises ValueError where the model's vocabulary or its positions do not suit the prepared corpus."""
    if model.is_source_tied and not tokenizers.is_joint:
        raise ValueError("model.tie (all) needs one joint vocabulary: use model.tie=target or tokenizer.joint=true")
    if model.max_length is not None and model.max_length <= max_pieces:
        raise ValueError(
            f"model.max_positions ({model.max_length}) must be above data.max_pieces ({max_pieces}): EOS takes one"
        )


@dataclass(frozen=True)
class AnyShards:
    """Takes the place of a sharded corpus that is not prepared yet, so that `TokenBatches` can check its settings."""

    max_pieces: int
    folder: str = "data.train"

    def __len__(self) -> int:
        return 1

    def store(self, number: int) -> Store:
        raise NotImplementedError

    def prefetch(self, number: int) -> None:
        raise NotImplementedError
