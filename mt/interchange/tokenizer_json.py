"""A sentencepiece model as `tokenizer.json` of the library tokenizers: the same ids for the same text.

Text is read as `mt.data.tokenizer.Tokenizer` reads it: normalized, with a blank before it unless it begins with a
reserved symbol, and no part of a text ever becomes a special piece. What sentencepiece has and tokenizers lacks:

- a blank before every text: written by the normalizer; `Metaspace` would lose blanks at the beginning of a text
- reserved symbols inside a text: under unigram they score higher than anything else; under BPE they are cut out first
- `<s>` and `<0x41>` as plain text: their scores are too low for any text, or, where that cannot hold, they are cut
"""

from __future__ import annotations

import re
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from mt.data.tokenizer import EOS, NUM_SPECIAL, Tokenizer

BLANK = "▁"
UNIGRAM, LEARNED, BYTE = 1, 1, 6  # model_type and types of pieces, as numbers of sentencepiece's protocol
BEST, WORST = 1e3, -1e6  # scores of reserved symbols, and of special pieces and bytes


def tokenizer_json(tokenizer: Tokenizer) -> str:
    """The file's text."""
    from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors
    from tokenizers import Tokenizer as Made

    model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is loaded
    model.ParseFromString(tokenizer.to_bytes())
    symbols, cuts = tokenizer.reserved_symbols, []
    falls_back = model.trainer_spec.byte_fallback
    special = [one.piece for one in model.pieces[:NUM_SPECIAL]]
    byte_pieces = [one.piece for one in model.pieces if one.type == BYTE]
    either = "|".join(map(re.escape, symbols))
    if model.trainer_spec.model_type == UNIGRAM:
        made = Made(models.Unigram(_scores(model, symbols), unk_id=1, byte_fallback=falls_back))
        letters = {one.piece for one in model.pieces}
        if found := [cut for name in (*special, *byte_pieces) if (cut := _cut(name, letters))]:
            cuts.append(("|".join(found), "merged_with_previous"))
    else:
        ids = {piece.piece: id_ for id_, piece in enumerate(model.pieces)}
        # a symbol that stands alone is found as a whole; without symbols, nothing else may be
        how = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": falls_back, "ignore_merges": bool(symbols)}
        made = Made(models.BPE(ids, _merges(model, ids), **how))
        if symbols:
            names = "|".join(re.escape(name[1:]) for name in (*special, *byte_pieces))
            cuts += [(rf"(?<={either})<(?=(?:{names})(?:{either}|\Z))", "merged_with_previous"), (either, "isolated")]
    made.normalizer = _normalizer(tokenizer, model.normalizer_spec)
    if cuts:
        made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(of), how) for of, how in cuts])
    strip = [decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence([decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    end = special[EOS]
    made.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, EOS)]
    )
    return made.to_str(pretty=True)


def _cut(name: str, letters: set[str]) -> str | None:
    """The beginning of this name where a text has it, to be cut from the rest; None where the score is enough.

    Letters without a piece score less than the name would. Between such a letter and another one, no piece is parted,
    and no run of unknown letters, which is one unknown piece.
    """
    known = [letter in letters for letter in name]
    if all(known):
        return None
    place = next((n for n in range(1, len(name)) if known[n - 1] != known[n]), 1)
    return f"{re.escape(name[:place])}(?={re.escape(name[place:])})"


def _scores(model: Any, symbols: tuple[str, ...]) -> list[tuple[str, float]]:
    """Each piece with its score: only learned ones may be found in a text, and symbols always are."""
    return [
        (one.piece, BEST if one.piece in symbols else one.score if one.type == LEARNED else WORST)
        for one in model.pieces
    ]


def _merges(model: Any, ids: dict[str, int]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a learned one, best piece first: sentencepiece merges any two such neighbours."""
    found = []
    for id_, one in enumerate(model.pieces):
        if one.type != LEARNED or len(one.piece) < 2:
            continue
        pairs = [(one.piece[:k], one.piece[k:]) for k in range(1, len(one.piece))]
        known = sorted((ids[a], ids[b], a, b) for a, b in pairs if a in ids and b in ids)
        found += [(-one.score, id_, a, b) for _, _, a, b in known]
    found.sort(key=lambda row: row[:2])
    return [(a, b) for _, _, a, b in found]


def _normalizer(tokenizer: Tokenizer, spec: Any) -> Any:
    from tokenizers import Regex, normalizers

    steps: list[Any] = [normalizers.NFC()] if tokenizer.is_composing else []
    steps.append(normalizers.Prepend(BLANK))
    if tokenizer.reserved_symbols:
        either = "|".join(map(re.escape, tokenizer.reserved_symbols))
        steps.append(normalizers.Replace(Regex(rf"\A{BLANK}(?={either})"), ""))
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps += [
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Replace(Regex(rf"\A{BLANK} "), BLANK),
            normalizers.Replace(Regex(r" \Z"), ""),
            normalizers.Replace(Regex(rf"\A{BLANK}\Z"), ""),
        ]
    return normalizers.Sequence([*steps, normalizers.Replace(" ", BLANK)])
