"""Does a model fit the corpus that it is to be trained on?"""

from __future__ import annotations

from mt.data.tokenizer import TokenizerPair


def check_fit(model, tokenizers: TokenizerPair, *, max_pieces: int) -> None:
    """Raises ValueError where the model's vocabulary or its positions do not suit the prepared corpus."""
    if model.is_source_tied and not tokenizers.is_joint:
        raise ValueError("model.tie (all) needs one joint vocabulary: use model.tie=target or tokenizer.joint=true")
    if model.max_length is not None and model.max_length <= max_pieces:
        raise ValueError(
            f"model.max_positions ({model.max_length}) must be above data.max_pieces ({max_pieces}): EOS takes one"
        )
