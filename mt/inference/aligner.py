"""Where the model looked: cross-attention of forced decoding, for given targets or for its own translations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from mt.alignment.alignment import Alignment, RawAttention
from mt.alignment.choose import Choice
from mt.alignment.links import Link, argmax_links
from mt.alignment.tap import Tap
from mt.alignment.words import by_words
from mt.checkpoint.folder import load_checkpoint
from mt.data.tokenizer import BOS, EOS
from mt.inference.translator import Translation, Translator, batches_by_length, one_line, padded, tagged
from mt.search.search import Search


class Aligner:
    """Attention maps of a model, with the layer, heads and shift that were chosen for it.

    Own translations are searched first and then decoded once more by force: the weights depend on source and target
    prefix alone, so they are those that greedy or beam search saw.
    """

    def __init__(
        self, translator: Translator, choice: Choice, *, direction: str = "source-target", folder: Path | None = None
    ):
        self.translator, self.choice, self.direction = translator, choice, direction
        self.folder = folder  # of the step that the model came from

    @classmethod
    def load(
        cls, checkpoint: str | Path, *, device: str = "auto", precision: str = "float32", shortlist: bool = False
    ) -> Aligner:
        """The aligner of a run folder (its best step) or a step folder, with its `alignment.json` if it has one."""
        loaded = load_checkpoint(checkpoint)
        translator = Translator.of(loaded, device=device, precision=precision, shortlist=shortlist)
        direction = f"{loaded.card.source_language}-{loaded.card.target_language}"
        decoder = loaded.model.decoder
        num_heads = decoder.layers[0].cross_attention.num_heads
        choice = Choice.load(loaded.folder, num_layers=decoder.num_maps, num_heads=num_heads)
        return cls(translator, choice, direction=direction, folder=loaded.folder)

    def align(
        self,
        sources: Sequence[str],
        targets: Sequence[str] | None = None,
        *,
        layer: int | None = None,
        heads: Iterable[int] | None = None,
        shift: int | None = None,
        signal: str | None = None,
        search: Search | None = None,
        batch_tokens: int | None = None,
    ) -> list[Alignment]:
        """An Alignment for every pair; without `targets`, of the model's own translations.

        `layer` (from 0), `heads` (averaged), `shift` and `signal` default to the checkpoint's choice; heads of another
        layer to all of them.
        """
        if layer is None:
            layer, heads = self.choice.layer, self.choice.heads if heads is None else heads
        shift = self.choice.shift if shift is None else shift
        signal = signal or self.choice.signal
        how = {"layer": layer, "heads": heads, "shift": shift, "signal": signal, "direction": self.direction}
        raws = self.attention(sources, targets, norms=signal == "norms", search=search, batch_tokens=batch_tokens)
        return [Alignment.from_attention(raw, **how) for raw in raws]

    def attention(
        self,
        sources: Sequence[str],
        targets: Sequence[str] | None = None,
        *,
        norms: bool = False,
        search: Search | None = None,
        batch_tokens: int | None = None,
    ) -> list[RawAttention]:
        """Weights of all layers and heads for every pair, EOS row and column included; with the values' `norms`."""
        tokenizers = self.translator.tokenizers
        source_ids = tokenizers.source.encode_many(list(sources))
        if targets is None:
            found = self.translator.search_ids(source_ids, search or self.translator.search, batch_tokens)
            target_ids = [list(hypotheses[0].ids) for hypotheses in found]
        else:
            target_ids = tokenizers.target.encode_many(list(targets))
        return self.attention_of_ids(source_ids, target_ids, norms=norms, batch_tokens=batch_tokens)

    def word_links(self, translations: Sequence[Translation], rank: int = 0) -> list[list[Link]]:
        """Links of blank-separated words of each source line and its candidate of that rank (the last if fewer).

        Each target word takes the source word with most weight; the parts of a split line are put together again. A tag
        is no word of the line.
        """
        parts = [
            (
                [tagged(segment, translation.tag) for segment in translation.segments],
                translation.candidates[min(rank, len(translation.candidates) - 1)].parts,
                translation.tag is not None,
            )
            for translation in translations
        ]
        flat = [pair for segments, found, _ in parts for pair in zip(segments, found, strict=True)]
        source_ids = self.translator.tokenizers.source.encode_many([segment for segment, _ in flat])
        target_ids = [hypothesis.ids for _, hypothesis in flat]
        raw = iter(self.attention_of_ids(source_ids, target_ids, norms=self.choice.signal == "norms"))
        links = []
        for segments, found, has_tag in parts:
            of_line, source_start, target_start = [], 0, 0
            for segment, hypothesis in zip(segments, found, strict=True):
                alignment = Alignment.from_attention(next(raw), **self.choice.where())
                text = one_line(self.translator.tokenizers.target.decode(hypothesis.ids))
                words = by_words(alignment, segment, text)
                weights_TS = words.weights_TS[:, int(has_tag) :]
                of_line += [(s + source_start, t + target_start) for s, t in argmax_links(weights_TS)]
                source_start += weights_TS.shape[1]
                target_start += len(words.target_pieces)
            links.append(sorted(of_line))
        return links

    @torch.inference_mode()
    def attention_of_ids(
        self,
        source_ids: Sequence[Sequence[int]],
        target_ids: Sequence[Sequence[int]],
        *,
        norms: bool = False,
        batch_tokens: int | None = None,
    ) -> list[RawAttention]:
        """The same for pairs that are encoded already (pieces without BOS and EOS)."""
        translator, results = self.translator, {}
        model, tokenizers = translator.model, translator.tokenizers
        lengths = [len(s) + len(t) + 2 for s, t in zip(source_ids, target_ids, strict=True)]
        for indices in batches_by_length(lengths, self.translator.batch_tokens(batch_tokens)):
            tap = Tap()
            with translator.precision():
                memory = model.encode(padded([[*source_ids[i], EOS] for i in indices]).to(translator.device))
                state = model.decoder.start(memory)
                model.extend(padded([[BOS, *target_ids[i]] for i in indices]).to(translator.device), state, tap=tap)
                norms_LBHS = self._norms(memory.states_BSD) if norms else []
            weights_BLHTS = tap.weights().float().cpu().numpy()
            for number, i in enumerate(indices):
                source, target = [*source_ids[i], EOS], [*target_ids[i], EOS]
                results[i] = RawAttention(
                    source_pieces=tokenizers.source.pieces(source),
                    target_pieces=tokenizers.target.pieces(target),
                    weights_LHTS=weights_BLHTS[number, :, :, : len(target), : len(source)],
                    norms_LHS=np.stack([of[number, :, : len(source)] for of in norms_LBHS]) if norms else None,
                )
        return [results[i] for i in range(len(results))]

    def _norms(self, memory_BSD: torch.Tensor) -> list[np.ndarray]:
        """norms_BHS of each layer that a tap sees; an alignment head brings nothing in, so that its weights stay."""
        decoder = self.translator.model.decoder
        norms = [layer.cross_attention.value_norms(memory_BSD).cpu().numpy() for layer in decoder.layers]
        return norms + [np.ones_like(norms[0])] * (decoder.num_maps - len(norms))
