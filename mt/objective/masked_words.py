"""Masked words: hidden words of the source are restored from the others, and from the picture or sound beside them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mt.data.batching import Batch
from mt.data.masking import MARKS, MASK
from mt.data.several import with_text
from mt.data.source import Source, Text
from mt.data.tokenizer import EOS, PAD, Tokenizer, TokenizerPair
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective
from mt.objective.draws import uniform
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.pairs import kept_memories
from mt.objective.token_cuts import check_rate
from mt.objective.two_passes import check_weight

# B sentences, S source length, N hidden pieces, D model, V vocabulary

STREAM = 2  # of the draws of a pair's key: 0 and 1 are those of `cut_tokens`
BLANK = "▁"  # begins the first piece of a word


class MaskedWords:
    """Another objective, and beside it hidden words of the source text, which the decoder restores.

    The encoder reads the source with some words hidden, each with probability `rate` (whole words; every piece of one
    becomes <mask>). Beside what it makes of that, and of the picture or sound, the decoder reads the source's own
    words, after <mask> in place of BOS, and predicts each hidden piece from those before it (MASS, Song et al. 2019,
    with single words in place of a span; with a picture it is the masked language model of ALBEF, Li et al. 2021). So
    it needs no parameters of its own, and whatever the decoder can attend to helps, however the sources are fused. Both
    sides must share one vocabulary.

    Which words are hidden depends on the pairs' keys alone. Words that `batches.masking` has hidden, tags and
    punctuation are never drawn. Pictures and sounds are encoded once, in the inner objective's first pass. A hidden
    piece counts `weight` times as much as a target token; "masked_words" is reported, in nats a hidden piece.
    """

    def __init__(self, *, inner: Objective, weight: float = 0.5, rate: float = 0.3):
        check_weight("weight", weight, "0.5 is usual")
        check_rate(rate, usual="0.3")
        self.inner, self.weight, self.rate = inner, weight, rate
        self._cross_entropy = LabelSmoothedCrossEntropy(smoothing=0.0).cross_entropy
        self._pieces: Pieces | None = None

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        assert self._pieces is not None, "check_tokenizers comes before training"
        with kept_memories(model) as memories:
            loss = self.inner(model, batch)
        hidden = self._pieces.hidden(batch.source, batch.keys_B, self.rate)
        # a pair without a target is there for another rank's sake: nothing is learned from it
        is_hidden_BS = hidden.is_hidden_BS & (batch.target_out_BT != PAD).any(dim=1, keepdim=True)
        # not by calling the model: what looks at its passes (`Guided`) knows only the batch's own targets
        state = model.decoder.start(model.encode(hidden.source, known=memories))
        states_BSD, _ = model.extend(hidden.read_BS, state)
        nats = self._cross_entropy(states_BSD[is_hidden_BS], model.output, hidden.wanted_BS[is_hidden_BS]).smoothed_nats
        return Loss(
            loss.minimised + self.weight * nats,
            {**loss.sums, "masked_words": nats.detach()},
            {**loss.counts, "masked_words": is_hidden_BS.sum()},
        )

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a model that reads no text."""
        if model.source_embedding is None:
            raise ValueError("objective (masked_words) needs a model that reads text: there are no words to hide")
        self.inner.check(model)

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """Raises ValueError for two vocabularies, and for one without <mask>. Keeps what is known of its pieces."""
        if not tokenizers.is_joint:
            raise ValueError("objective (masked_words) needs one vocabulary of both sides: tokenizer.joint=true")
        self._pieces = Pieces.of(tokenizers.source)
        self.inner.check_tokenizers(tokenizers)


@dataclass(frozen=True, eq=False)
class Hidden:
    """Sources with hidden words, and what the decoder reads and gives to restore them.

    `is_hidden_BS` are the hidden pieces, `word_BS` the place of the first piece of each one's word; `read_BS` begins
    with <mask>, then has the original pieces `wanted_BS`.
    """

    source: Source
    is_hidden_BS: Tensor
    word_BS: Tensor
    read_BS: Tensor
    wanted_BS: Tensor


@dataclass(frozen=True, eq=False)
class Pieces:
    """What must be known of the pieces of a vocabulary to hide whole words; `mask` is the id of <mask>."""

    mask: int
    is_start_V: Tensor  # begins a word
    is_symbol_V: Tensor  # special or reserved: a word by itself, which is never hidden
    is_mark_V: Tensor  # nothing but punctuation, or a blank alone

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Pieces:
        """Raises ValueError for a vocabulary without <mask>."""
        if MASK not in tokenizer.reserved_symbols:
            raise ValueError(f"objective (masked_words) needs the symbol {MASK}: tokenizer.reserved_symbols=['{MASK}']")
        pieces = tokenizer.pieces(range(tokenizer.size))
        symbols = {*tokenizer.reserved_symbols, *tokenizer.pieces(range(EOS + 1))}
        return cls(
            mask=pieces.index(MASK),
            is_start_V=torch.tensor([piece.startswith(BLANK) for piece in pieces]),
            is_symbol_V=torch.tensor([piece in symbols for piece in pieces]),
            is_mark_V=torch.tensor([not piece.strip(MARKS + BLANK) for piece in pieces]),
        )

    def hidden(self, source: Source, keys_B: Tensor, rate: float) -> Hidden:
        """Hides each word of the sources' texts with probability `rate`, drawn by the key and the word's place."""
        text = source.parts["text"]
        assert isinstance(text, Text)
        ids_BS = text.ids_BS
        is_symbol_BS = self.is_symbol_V.to(ids_BS.device)[ids_BS]
        starts_BS = self.is_start_V.to(ids_BS.device)[ids_BS] | is_symbol_BS
        starts_BS[:, 1:] |= is_symbol_BS[:, :-1]
        places_S = torch.arange(ids_BS.shape[1], device=ids_BS.device)
        word_BS = torch.where(starts_BS, places_S, 0).cummax(dim=1).values
        is_drawn_BS = (uniform(keys_B, ids_BS.shape[1], stream=STREAM) < rate).gather(1, word_BS)
        is_hidden_BS = is_drawn_BS & ~is_symbol_BS & ~self.is_mark_V.to(ids_BS.device)[ids_BS]
        shown_BS = ids_BS.masked_fill(is_hidden_BS, self.mask)
        read_BS = torch.cat([torch.full_like(ids_BS[:, :1], self.mask), ids_BS[:, :-1]], dim=1)
        shown = with_text(source, Text(shown_BS, text.tree_distance_BSS))
        return Hidden(shown, is_hidden_BS, word_BS, read_BS, ids_BS)
