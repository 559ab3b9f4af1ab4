"""How many hidden words of a source a model restores: what a picture or sound is good for (objective=masked_words)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mt.data.images.picture import Picture
from mt.data.masking import MARKS, MASK, words_of_kinds
from mt.data.permutation import mix
from mt.data.several import with_pictures, with_sounds
from mt.data.sounds.sound import Wave
from mt.data.source import Text
from mt.inference.translator import Translator
from mt.objective.masked_words import Pieces

# B lines, S source length

LINES = 64  # in a batch


def check_restores(translator: Translator) -> None:
    """Raises ValueError for a model that cannot restore words, in the words of the flag."""
    tokenizers = translator.tokenizers
    if not tokenizers.is_joint:
        raise ValueError("--restore needs a model with one vocabulary of both sides")
    if MASK not in tokenizers.source.reserved_symbols:
        raise ValueError(f"--restore needs a model whose vocabulary has {MASK} (objective=masked_words)")


@torch.inference_mode()
def restored_words(
    translator: Translator,
    texts: Sequence[str],
    pictures: Sequence[Picture | None],
    sounds: Sequence[Wave | None],
    *,
    rate: float,
    seed: int = 1,
) -> dict[str, float]:
    """Shares in % of the words hidden at this rate that are restored whole: of all words, of colours and of nouns.

    The hidden words of a line depend on `seed` and its number alone. Of each hidden piece the likeliest one counts,
    given the line's own pieces before it. A kind of which none is hidden is left out. The model must pass
    `check_restores`.
    """
    tokenizers, model, places = translator.tokenizers, translator.model, translator.decodable.places
    pieces, kinds = Pieces.of(tokenizers.source), words_of_kinds()
    keys = mix(mix(np.arange(len(texts), dtype=np.uint64)) ^ np.uint64(seed)).view(np.int64)
    is_right: dict[str, list[bool]] = {name: [] for name in ("words", *kinds)}
    for start in range(0, len(texts), LINES):
        some = slice(start, start + LINES)
        text = Text.of(tokenizers.source.encode_many(list(texts[some])))
        seen = with_pictures(text, pictures[some], places.get("image", 0))
        source = with_sounds(seen, sounds[some], places.get("sound", 0))
        hidden = pieces.hidden(source.to(translator.device), torch.from_numpy(keys[some]).to(translator.device), rate)
        with translator.precision():
            states_BSD, _ = model.extend(hidden.read_BS, model.start(hidden.source))
            found_BS = model.output(states_BSD).argmax(dim=-1)
        rows = (hidden.wanted_BS, found_BS, hidden.is_hidden_BS, hidden.word_BS)
        for wanted_S, found_S, is_hidden_S, word_S in zip(*(one.tolist() for one in rows), strict=True):
            for first in sorted({word for word, is_hidden in zip(word_S, is_hidden_S, strict=True) if is_hidden}):
                of_word = [place for place, word in enumerate(word_S) if word == first and is_hidden_S[place]]
                right = all(wanted_S[place] == found_S[place] for place in of_word)
                spelled = tokenizers.source.decode([wanted_S[place] for place in of_word]).strip(MARKS + " ").casefold()
                is_right["words"].append(right)
                for kind, words in kinds.items():
                    if spelled in words:
                        is_right[kind].append(right)
    return {f"restored_{kind}": round(100 * sum(of) / len(of), 4) for kind, of in is_right.items() if of}
