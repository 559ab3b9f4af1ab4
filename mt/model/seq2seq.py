"""The whole model: embeddings, encoder, decoder and the projection to the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mt.attention.contract import Mixer
from mt.attention.reading import Reading
from mt.kernels.linear import Linear
from mt.model.decoder import AttentionTap, Decoder, DecoderState
from mt.model.embedding import Embedding, RandomizedPositions
from mt.model.encoder import SourceEncoder
from mt.model.fusion import Fusion, Joined
from mt.model.image_encoder import ImageEncoder
from mt.model.layer import LayerSettings, init_weights
from mt.model.lexicon import Lexicon
from mt.model.memory import Memory
from mt.model.rounded import matrix_of
from mt.model.shared_space import SharedSpace
from mt.model.sound_encoder import SoundEncoder
from mt.model.source_embedding import SourceEmbedding

# B batch, R rows, S source length, T target length, D model, V vocabulary

TIES = ("none", "target", "all")


class Source(Protocol):
    """What the model itself needs of a source (`mt.data.source`); the rest is between the source and its encoder."""

    def __len__(self) -> int: ...

    @property
    def padded_length(self) -> int: ...

    @property
    def parts(self) -> Mapping[str, Any]: ...


class Seq2Seq(nn.Module):
    """Encoder-decoder Transformer (Vaswani et al. 2017) with three attention slots.

    `encoder` and `decoder` are factories that take the shared layer settings. The encoder reads a source of its kind
    (`SourceEncoder`); if it does not read text, `source_vocab_size` is not used, and "all" ties the target's matrices
    only. `tie` shares matrices: "target" the decoder's embedding with the output projection, "all" the encoder's
    embedding too (needs one joint vocabulary), "none" nothing. `recompute` turns gradient checkpointing on in training.
    `separator` and `separator_after` are those of `SourceEmbedding`, for attention that needs a document's sentences.
    `lexicon` exists for cross-attention that needs it. `beside` are encoders of other sources than text, by their names
    ("image"); a source may have some of these beside its text, or none. `fusion` makes one memory of what they give
    (`mt.model.fusion`); None: side by side. `space` is one that texts share with those sources, for retrieval.
    """

    def __init__(
        self,
        *,
        layer: LayerSettings,
        encoder: Callable[..., SourceEncoder],
        decoder: Callable[..., Decoder],
        source_vocab_size: int,
        target_vocab_size: int,
        tie: str = "all",
        max_positions: int = 1024,
        recompute: bool = False,
        separator: int | None = None,
        separator_after: int | None = None,
        beside: Mapping[str, Callable[..., SourceEncoder]] | None = None,
        fusion: Callable[..., Fusion] | None = None,
        space: Callable[..., SharedSpace] | None = None,
        pad: int = 0,
    ):
        super().__init__()
        if tie not in TIES:
            raise ValueError(f"tie ({tie}) must be one of {', '.join(TIES)}")
        self.encoder = encoder(settings=layer)
        made = {name: make(settings=layer) for name, make in (beside or {}).items()}
        for name, other in made.items():
            if other.width != self.encoder.width:
                raise ValueError(
                    f"beside.{name} ({other.width} wide) must be as wide as the encoder ({self.encoder.width})"
                )
        self.beside = nn.ModuleDict(made) if made else None  # None: a model of text has the modules that it always had
        for name, part in (("fusion", fusion), ("space", space)):
            if part is not None and not made:
                raise ValueError(f"{name} needs another source than text: +image@model.beside.image=regions")
        self.fusion = (fusion or Joined)(settings=layer, names=["text", *made]) if made else None
        self.space = None if space is None else space(settings=layer, names=list(made))
        if tie == "all" and self.encoder.reads_pieces and source_vocab_size != target_vocab_size:
            raise ValueError(
                f"tie (all) needs one joint vocabulary, not {source_vocab_size} source and {target_vocab_size} target"
                " pieces: use tie=target or a joint tokenizer"
            )
        self.pad, self.recompute = pad, recompute
        self.decoder = decoder(settings=layer, memory_dim=self.encoder.width)
        self.apply(init_weights)
        mixers = [one.cross_attention.mixer for one in self.decoder.layers]
        needs_lexicon = any("prior_RTS" in mixer.needs_from_decoder for mixer in mixers)
        self.lexicon = Lexicon(target_vocab_size) if needs_lexicon else None
        self.source_embedding: SourceEmbedding | None = None
        if self.encoder.reads_pieces:
            self.source_embedding = SourceEmbedding(
                source_vocab_size,
                layer,
                pad=pad,
                max_positions=max_positions,
                separator=separator,
                separator_after=separator_after,
                keeps_pieces=needs_lexicon,
            )
        self.target_embedding = Embedding(target_vocab_size, layer, pad=pad, max_positions=max_positions)
        self.output = Linear(layer.dim, target_vocab_size, bias=False)
        if tie == "none":
            nn.init.normal_(self.output.weight, std=layer.dim**-0.5)
        else:
            self.output.weight = self.target_embedding.tokens.weight
        if tie == "all" and self.source_embedding is not None:
            self.source_embedding.tokens.weight = self.target_embedding.tokens.weight

    @property
    def is_source_tied(self) -> bool:
        """Whether both embeddings are one matrix, so that an id must mean the same piece on both sides."""
        embedding = self.source_embedding
        return embedding is not None and matrix_of(embedding.tokens) is matrix_of(self.target_embedding.tokens)

    @property
    def max_length(self) -> int | None:
        """Maximum ids of a sequence, BOS or EOS included; None where positions are unlimited."""
        return self.target_embedding.max_length

    @property
    def needs_trees(self) -> bool:
        """Whether any attention needs the trees of its sources."""
        return self._needs("tree_distance_BSS")

    @property
    def needs_sentences(self) -> bool:
        """Whether any attention needs the sentence boundaries of its sources."""
        return self._needs("segments_BS")

    @property
    def sees_sentences(self) -> bool:
        """Whether attention can see that a source has more than one sentence."""
        return self.source_embedding is not None and self.source_embedding.sees_sentences

    @property
    def image(self) -> ImageEncoder | None:
        """The encoder of pictures; None for a model that sees none."""
        found = self._other("image")
        assert found is None or isinstance(found, ImageEncoder)
        return found

    @property
    def sound(self) -> SoundEncoder | None:
        """The encoder of sounds; None for a model that hears none."""
        found = self._other("sound")
        assert found is None or isinstance(found, SoundEncoder)
        return found

    @property
    def places(self) -> dict[str, int]:
        """Places of the memory that each source beside the text takes, where it is there."""
        found = {} if self.image is None else {"image": self.image.grid.num_regions}
        return found if self.sound is None else {**found, "sound": self.sound.num_places}

    def _other(self, name: str) -> nn.Module | None:
        return self.beside[name] if self.beside is not None and name in self.beside else None

    def _needs(self, field: str) -> bool:
        return any(field in part.needs_from_source for part in self.modules() if isinstance(part, Mixer))

    def encode(
        self,
        source: Source,
        *,
        places_BS: Tensor | None = None,
        known: Mapping[str, Memory] | None = None,
    ) -> Memory:
        """The memory of a source of the kind that the encoder reads; `places_BS` as in `SourceEmbedding`.

        `known` are memories, by name, of its parts beside the text that have been encoded already.
        """
        embedding = self.source_embedding
        embed = None if embedding is None else partial(embedding.read, places_BS=places_BS)
        recompute = self.recompute and self.training
        if self.beside is None:
            return self.encoder(source, embed, recompute=recompute)
        memories = [
            self.encoder(part, embed, recompute=recompute)
            if name == "text"
            else (known or {}).get(name) or self.beside[name](part, None, recompute=recompute)
            for name, part in source.parts.items()
        ]
        assert self.fusion is not None
        return memories[0] if len(memories) == 1 else self.fusion(memories)

    def start(self, source: Source) -> DecoderState:
        """The decoder's state before the first token of each source."""
        return self.decoder.start(self.encode(source))

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
        prior_RTS = None
        if self.lexicon is not None and state.pieces_NS is not None:
            prior_RTS = self.lexicon(tokens_RT, state.pieces_NS)
        reading = Reading(position=state.position, prior_RTS=prior_RTS)
        return self.decoder.extend(x_RTD, state, reading, tap=tap, recompute=self.recompute and self.training)

    def judge(self, tokens_RT: Tensor, memory: Memory) -> Tensor:
        """logits_R (float32): above 0 where the space judges that a text is true of what is in its memory."""
        assert self.space is not None and self.space.judge is not None
        states_RTD, _ = self.extend(tokens_RT, self.decoder.start(memory))
        last_R = (tokens_RT != self.pad).sum(dim=1) - 1
        last_RD = states_RTD[torch.arange(len(last_R), device=last_R.device), last_R]
        return self.space.judge(last_RD).squeeze(-1).float()

    def step(self, tokens_R: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """logits_RV (float32) for the token after `tokens_R`, and the next state; called by a search."""
        states_R1D, state = self.extend(tokens_R[:, None], state)
        return self.output(states_R1D[:, 0]).float(), state

    def forward(
        self,
        source: Source,
        target_in_BT: Tensor,
        *,
        tap: AttentionTap | None = None,
    ) -> Tensor:
        """states_BTD of teacher forcing: one long step. `output` makes them logits_BTV."""
        places_BS = places_BT = None
        if self.training and isinstance(self.target_embedding.positions, RandomizedPositions):
            # one draw for both sides: tokens at the same place in source and target keep equal positions
            S, T = source.padded_length, target_in_BT.shape[1]
            places = self.target_embedding.positions.draw(len(source), max(S, T), target_in_BT.device)
            places_BS, places_BT = places[:, :S], places[:, :T]
        state = self.decoder.start(self.encode(source, places_BS=places_BS))
        return self.extend(target_in_BT, state, tap=tap, places_RT=places_BT)[0]


def parameter_counts(model: Seq2Seq) -> dict[str, int]:
    """Parameters by part; a shared matrix is counted once, in its first part, so that the parts add up to `total`."""
    seen: set[int] = set()
    counts: dict[str, int] = {}
    for part in ("source_embedding", "target_embedding", "encoder", "beside", "fusion", "space", "decoder", "output"):
        module = getattr(model, part)
        if module is None:
            continue
        own = {id(p): p.numel() for p in module.parameters() if id(p) not in seen}
        seen |= own.keys()
        if own or part not in ("beside", "fusion", "space"):
            counts[part] = sum(own.values())
    return counts | {"total": sum(counts.values())}
