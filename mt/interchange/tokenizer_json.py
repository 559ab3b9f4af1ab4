"""A sentencepiece model as `tokenizer.json` of the library tokenizers: the same ids for the same text.

Text is read as `mt.data.tokenizer.Tokenizer` reads it: normalized, with a blank before it unless it begins with a
reserved symbol, and no part of a text ever becomes a special piece. What sentencepiece has and tokenizers lacks:

- a blank before every text: written by the normalizer; `Metaspace` would lose blanks at the beginning of a text
- reserved symbols inside a text: under unigram they score higher than anything else; under BPE they are cut out first
- `<s>` and `<0x41>` as plain text: their scores are too low for any text, or, where that cannot hold, they are cut
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from mt.data.tokenizer import BOS, EOS, NUM_SPECIAL, PAD, UNK, Tokenizer

BLANK = "▁"
UNIGRAM, LEARNED, BYTE = 1, 1, 6  # model_type and types of pieces, as numbers of sentencepiece's protocol
BEST, WORST = 1e3, -1e6  # scores of reserved symbols, and of special pieces and bytes


def write_tokenizer(folder: Path, tokenizer: Tokenizer, *, rows: int | None) -> None:
    """Writes `tokenizer.json` and `tokenizer_config.json`; `rows` is the most pieces that there are positions for."""
    (folder / "tokenizer.json").write_text(tokenizer_json(tokenizer), "utf-8")
    special = dict(zip(("pad", "unk", "bos", "eos"), tokenizer.pieces((PAD, UNK, BOS, EOS)), strict=True))
    body = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{f"{name}_token": piece for name, piece in special.items()},
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 1 << 30 if rows is None else rows,
        "split_special_tokens": True,  # else "</s>" in a text would end it
        "clean_up_tokenization_spaces": False,
    }
    text = json.dumps(body, indent=2, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(f"{text}\n", "utf-8")


def tokenizer_json(tokenizer: Tokenizer) -> str:
    """The file's text. It is written without the library, which only who reads it needs."""
    model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is loaded
    model.ParseFromString(tokenizer.to_bytes())
    symbols, cuts = tokenizer.reserved_symbols, []
    falls_back = model.trainer_spec.byte_fallback
    special = [one.piece for one in model.pieces[:NUM_SPECIAL]]
    byte_pieces = [one.piece for one in model.pieces if one.type == BYTE]
    either = "|".join(map(re.escape, symbols))
    body: dict[str, Any]
    if model.trainer_spec.model_type == UNIGRAM:
        body = {"type": "Unigram", "unk_id": UNK, "vocab": _scores(model, symbols), "byte_fallback": falls_back}
        letters = {one.piece for one in model.pieces}
        if found := [cut for name in (*special, *byte_pieces) if (cut := _cut(name, letters))]:
            cuts.append(("|".join(found), "MergedWithPrevious"))
    else:
        ids = {piece.piece: id_ for id_, piece in enumerate(model.pieces)}
        # a symbol that stands alone is found as a whole; without symbols, nothing else may be
        how = {"fuse_unk": True, "byte_fallback": falls_back, "ignore_merges": bool(symbols)}
        none = {"dropout": None, "continuing_subword_prefix": None, "end_of_word_suffix": None}
        body = {"type": "BPE", **none, "unk_token": special[UNK], **how, "vocab": ids, "merges": _merges(model, ids)}
        if symbols:
            names = "|".join(re.escape(name[1:]) for name in (*special, *byte_pieces))
            cuts += [(rf"(?<={either})<(?=(?:{names})(?:{either}|\Z))", "MergedWithPrevious"), (either, "Isolated")]
    splits = [{"type": "Split", "pattern": {"Regex": of}, "behavior": how, "invert": False} for of, how in cuts]
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(id_, name) for id_, name in enumerate(special)],
        "normalizer": {"type": "Sequence", "normalizers": _normalizers(tokenizer, model.normalizer_spec)},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": splits} if splits else None,
        "post_processor": _ends(special[EOS]),
        "decoder": {"type": "Sequence", "decoders": DECODERS},
        "model": body,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


DECODERS = [
    {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
]


def _added(id_: int, name: str) -> dict[str, Any]:
    """A piece that stands for no text."""
    never = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id_, "content": name, **never, "special": True}


def _ends(end: str) -> dict[str, Any]:
    """Each text ends with `end`."""
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    stop = {"SpecialToken": {"id": end, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, stop],
        "pair": [first, stop, second, stop],
        "special_tokens": {end: {"id": end, "ids": [EOS], "tokens": [end]}},
    }


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


def _normalizers(tokenizer: Tokenizer, spec: Any) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"type": "NFC"}] if tokenizer.is_composing else []
    steps.append({"type": "Prepend", "prepend": BLANK})
    if tokenizer.reserved_symbols:
        either = "|".join(map(re.escape, tokenizer.reserved_symbols))
        steps.append(_replaced({"Regex": rf"\A{BLANK}(?={either})"}, ""))
    if spec.precompiled_charsmap:
        charsmap = base64.b64encode(spec.precompiled_charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
    if spec.remove_extra_whitespaces:
        steps += [
            _replaced({"Regex": " {2,}"}, " "),
            _replaced({"Regex": rf"\A{BLANK} "}, BLANK),
            _replaced({"Regex": r" \Z"}, ""),
            _replaced({"Regex": rf"\A{BLANK}\Z"}, ""),
        ]
    return [*steps, _replaced({"String": " "}, BLANK)]


def _replaced(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}
