"""The whole model: embeddings, encoder, decoder and the projection to the vocabulary."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mt.attention.mask import padding_mask
from mt.attention.multi_head import MultiHead
from mt.attention.reading import Reading
from mt.attention.structure import Structure
from mt.model.decoder import AttentionTap, Decoder, DecoderState
from mt.model.embedding import Embedding, RandomizedPositions
from mt.model.encoder import Encoder, Memory
from mt.model.layer import LayerSettings, init_weights
from mt.model.lexicon import Lexicon

# B batch, R rows, S source length, T target length, D model, V vocabulary

TIES = ("none", "target", "all")


class Seq2Seq(nn.Module):
    """Encoder-decoder Transformer (Vaswani et al. 2017) with three attention slots.

    `encoder` and `decoder` are factories that take the shared layer settings.
    `tie` shares matrices: "target" the decoder's embedding with the output projection, "all" the encoder's embedding
    too (needs one joint vocabulary), "none" nothing. `recompute` turns gradient checkpointing on in training.
    `separator` is the id of the source piece that ends each sentence before the one that is to be translated, and
    `separator_after` of the one that begins each behind it, for attention that asks for a document's sentences.
    `lexicon` is there for cross-attention that hears what it says.
    """

    def __init__(
        self,
        *,
        layer: LayerSettings,
        encoder: Callable[..., Encoder],
        decoder: Callable[..., Decoder],
        source_vocab_size: int,
        target_vocab_size: int,
        tie: str = "all",
        max_positions: int = 1024,
        recompute: bool = False,
        separator: int | None = None,
        separator_after: int | None = None,
        pad: int = 0,
    ):
        super().__init__()
        for name, piece in (("separator", separator), ("separator_after", separator_after)):
            if piece is not None and not 0 <= piece < source_vocab_size:
                raise ValueError(f"model.{name} ({piece}) must be from 0 to {source_vocab_size - 1}, or null")
        if tie not in TIES:
            raise ValueError(f"tie ({tie}) must be one of {', '.join(TIES)}")
        if tie == "all" and source_vocab_size != target_vocab_size:
            raise ValueError(
                f"tie (all) needs one joint vocabulary, not {source_vocab_size} source and {target_vocab_size} target"
                " pieces: use tie=target or a joint tokenizer"
            )
        self.pad, self.recompute = pad, recompute
        self.separator, self.separator_after = separator, separator_after
        self.encoder, self.decoder = encoder(settings=layer), decoder(settings=layer)
        self.apply(init_weights)
        mixers = [one.cross_attention.mixer for one in self.decoder.layers]
        wants_lexicon = any("prior_RTS" in mixer.hears for mixer in mixers)
        self.lexicon = Lexicon(target_vocab_size) if wants_lexicon else None
        self.source_embedding = Embedding(source_vocab_size, layer, pad=pad, max_positions=max_positions)
        self.target_embedding = Embedding(target_vocab_size, layer, pad=pad, max_positions=max_positions)
        self.output = nn.Linear(layer.dim, target_vocab_size, bias=False)
        if tie == "none":
            nn.init.normal_(self.output.weight, std=layer.dim**-0.5)
        else:
            self.output.weight = self.target_embedding.tokens.weight
        if tie == "all":
            self.source_embedding.tokens.weight = self.target_embedding.tokens.weight

    @property
    def is_source_tied(self) -> bool:
        """Whether both embeddings are one matrix, so that an id must mean the same piece on both sides."""
        return self.source_embedding.tokens.weight is self.target_embedding.tokens.weight

    @property
    def max_length(self) -> int | None:
        """Most ids of a sequence, BOS or EOS included; None where positions have no end."""
        return self.target_embedding.max_length

    @property
    def wants_trees(self) -> bool:
        """Whether any attention asks for the trees of its sources."""
        return self._is_wanted("climbs_BSS")

    @property
    def wants_sentences(self) -> bool:
        """Whether any attention asks for the sentences of its sources."""
        return self._is_wanted("segments_BS")

    @property
    def sees_sentences(self) -> bool:
        """Whether a source may be more than one sentence, as far as attention is told."""
        return self.separator is not None or self.separator_after is not None

    def _is_wanted(self, field: str) -> bool:
        return any(field in part.mixer.wants for part in self.modules() if isinstance(part, MultiHead))

    def encode(self, source_BS: Tensor, climbs_BSS: Tensor | None = None, *, places_BS: Tensor | None = None) -> Memory:
        """The memory of right-padded source ids; `climbs_BSS` are their trees (`mt.attention.structure`)."""
        mask = padding_mask(source_BS, self.pad)
        structure = Structure(
            pieces_BS=None if self.lexicon is None else source_BS,
            segments_BS=self._segments(source_BS),
            climbs_BSS=climbs_BSS,
        )
        x_BSD = self.source_embedding(source_BS, places_BT=places_BS)
        return self.encoder(x_BSD, mask, structure, recompute=self.recompute and self.training)

    def _segments(self, source_BS: Tensor) -> Tensor | None:
        """The sentence of each piece, counted from the one to be translated; a separator belongs to the context."""
        if not self.sees_sentences:
            return None
        segments_BS = torch.zeros_like(source_BS)
        if self.separator is not None:
            ends_BS = (source_BS == self.separator).long()
            segments_BS -= ends_BS.flip(1).cumsum(dim=1).flip(1)  # as many as end here or later
        if self.separator_after is not None:
            segments_BS += (source_BS == self.separator_after).long().cumsum(dim=1)
        return segments_BS

    def start(self, source_BS: Tensor, climbs_BSS: Tensor | None = None) -> DecoderState:
        """The decoder's state before the first token of each source."""
        return self.decoder.start(self.encode(source_BS, climbs_BSS))

    def extend(
        self,
        tokens_RT: Tensor,
        state: DecoderState,
        *,
        tap: AttentionTap | None = None,
        places_RT: Tensor | None = None,
    ) -> tuple[Tensor, DecoderState]:
        """states_RTD after T more target tokens, before the output projection, and the next state."""
        x_RTD = self.target_embedding(tokens_RT, state.position, places_RT)
        prior_RTS = None if self.lexicon is None else self.lexicon(tokens_RT, state.pieces_NS)
        reading = Reading(position=state.position, prior_RTS=prior_RTS)
        return self.decoder.extend(x_RTD, state, reading, tap=tap, recompute=self.recompute and self.training)

    def step(self, tokens_R: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """logits_RV (float32) for the token after `tokens_R`, and the next state: what search calls."""
        states_R1D, state = self.extend(tokens_R[:, None], state)
        return self.output(states_R1D[:, 0]).float(), state

    def forward(
        self,
        source_BS: Tensor,
        target_in_BT: Tensor,
        *,
        climbs_BSS: Tensor | None = None,
        tap: AttentionTap | None = None,
    ) -> Tensor:
        """states_BTD of teacher forcing: one long step. `output` makes them logits_BTV."""
        places_BS = places_BT = None
        if self.training and isinstance(self.source_embedding.positions, RandomizedPositions):
            # one draw for both sides: what stands at the same place in source and target stays there
            (B, S), T = source_BS.shape, target_in_BT.shape[1]
            places = self.source_embedding.positions.draw(B, max(S, T), source_BS.device)
            places_BS, places_BT = places[:, :S], places[:, :T]
        state = self.decoder.start(self.encode(source_BS, climbs_BSS, places_BS=places_BS))
        return self.extend(target_in_BT, state, tap=tap, places_RT=places_BT)[0]


def parameter_counts(model: Seq2Seq) -> dict[str, int]:
    """Parameters by part; a shared matrix is counted once, where it stands first, and the parts add up to `total`."""
    seen: set[int] = set()
    counts: dict[str, int] = {}
    for part in ("source_embedding", "target_embedding", "encoder", "decoder", "output"):
        own = {id(p): p.numel() for p in getattr(model, part).parameters() if id(p) not in seen}
        seen |= own.keys()
        counts[part] = sum(own.values())
    return counts | {"total": sum(counts.values())}
