"""How the tokenizer splits the text: pieces per word, characters without a piece, and what decoding changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from mt.data.diagnosis.lengths import WITHOUT_BLANKS
from mt.data.diagnosis.section import Section, share, shortened, table
from mt.data.pair import Pair
from mt.data.tokenizer import NUM_BYTES, NUM_SPECIAL, UNK, Tokenizer, TokenizerPair, TokenizerSettings

ENCODED = 50_000  # pairs of train
RETURNED = 5_000  # pairs that are also decoded
FEWEST_PAIRS = 100  # to judge a tokenizer by
RARE = 10  # occurrences below which a piece is hardly learned
MUCH_SPELLED, MANY_RARE, MUCH_LOST = 0.005, 0.3, 0.001
MANY_PIECES_A_WORD = 3.0
LARGE_VOCABULARY = 500  # learned pieces; in a smaller one, rare pieces have other causes
SHOWN = 8  # characters


@dataclass(frozen=True)
class Spelling:
    """The pieces of one side."""

    lengths: np.ndarray  # pieces of every sentence
    occurrences: np.ndarray  # of every piece of the vocabulary
    num_spelled: int  # pieces that are bytes or unknown
    missing: list[tuple[str, int]]  # characters without a piece and their counts, the commonest first
    num_changed: int  # decoded sentences that differ from the text
    num_returned: int
    changed: str | None  # the first of them

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer) -> Spelling:
        """From sentences of one side."""
        ids = tokenizer.encode_many(texts)
        lengths = np.fromiter(map(len, ids), np.int64, count=len(ids))
        occurrences = np.bincount(np.fromiter(chain.from_iterable(ids), np.int64), minlength=tokenizer.size)
        spelling = spelling_ids(tokenizer)
        counts = _characters(texts, tokenizer) if occurrences[spelling].any() else Counter[str]()
        is_spelling = set(spelling).__contains__
        missing = [(one, count) for one, count in counts.most_common() if any(map(is_spelling, tokenizer.encode(one)))]
        returned = texts[:: max(1, -(-len(texts) // RETURNED))]
        changed = [text for text in returned if tokenizer.decode(tokenizer.encode(text)) != tokenizer.composed(text)]
        return cls(
            lengths,
            occurrences,
            int(occurrences[spelling].sum()),
            missing,
            len(changed),
            len(returned),
            changed[0] if changed else None,
        )


def _characters(texts: Sequence[str], tokenizer: Tokenizer) -> Counter[str]:
    text = "".join(texts)
    for symbol in tokenizer.reserved_symbols:
        text = text.replace(symbol, "")  # always one piece
    return Counter(text)


def spelling_ids(tokenizer: Tokenizer) -> list[int]:
    """The ids for characters without a piece: unknown, and bytes if the vocabulary has them."""
    first = NUM_SPECIAL + len(tokenizer.reserved_symbols)
    has_bytes = tokenizer.size > first and tokenizer.pieces([first]) == ["<0x00>"]
    return [UNK, *(range(first, first + NUM_BYTES) if has_bytes else ())]


def pieces_section(
    pairs: Sequence[Pair],
    tokenizers: TokenizerPair,
    settings: TokenizerSettings,
    codes: tuple[str, str],
    *,
    is_whole: bool,
) -> tuple[Section, list[np.ndarray]]:
    """The section of the report, and the lengths of both sides in pieces.

    `is_whole`: these are all train pairs.
    """
    section = Section("tokenizer", "how the tokenizer splits them")
    each = (tokenizers.source, tokenizers.target)
    kind = "one joint vocabulary" if tokenizers.is_joint else "vocabularies"
    section.lines.append(
        f"{settings.model_type}, {kind} of {' and '.join(f'{one.size:,}' for one in dict.fromkeys(each))} pieces"
    )
    rows = [["", "pieces", "pieces a word", "characters a piece", "spelled in bytes", "decoded as before"]]
    sides = [Spelling.of([pair.texts[side] for pair in pairs], tokenizer) for side, tokenizer in enumerate(each)]
    for side, (code, spelling) in enumerate(zip(codes, sides, strict=True)):
        numbers = _numbers(spelling, [pair.texts[side] for pair in pairs])
        rows.append([code, *_cells(numbers)])
        section.numbers[code] = numbers
        if len(pairs) >= FEWEST_PAIRS:
            _judge(section, code, spelling, numbers, settings if side else settings.of_source())
    section.lines += table(rows)
    for code, spelling in zip(codes, sides, strict=True):
        if spelling.missing:
            section.lines.append(f"{code} characters without a piece: {_shown(spelling.missing)}")
    if is_whole and len(pairs) >= FEWEST_PAIRS:
        _judge_rare(section, tokenizers, sides, settings)
    return section, [spelling.lengths for spelling in sides]


def _numbers(spelling: Spelling, texts: Sequence[str]) -> dict[str, Any]:
    return {
        "pieces": int(spelling.lengths.sum()),
        "words": sum(len(text.split()) for text in texts),
        "characters": sum(map(len, texts)),
        "spelled": spelling.num_spelled,
        "missing characters": spelling.missing[:50],
        "changed": spelling.num_changed,
        "returned": spelling.num_returned,
    }


def _cells(numbers: dict[str, Any]) -> list[str]:
    pieces, words, characters = (max(1, numbers[unit]) for unit in ("pieces", "words", "characters"))
    has_blanks = characters / words < WITHOUT_BLANKS
    return [
        f"{pieces:,}",
        f"{pieces / words:.2f}" if has_blanks else "-",
        f"{characters / pieces:.2f}",
        share(numbers["spelled"], pieces),
        share(numbers["returned"] - numbers["changed"], numbers["returned"]),
    ]


def _judge(
    section: Section, code: str, spelling: Spelling, numbers: dict[str, Any], settings: TokenizerSettings
) -> None:
    if spelling.num_spelled > MUCH_SPELLED * numbers["pieces"]:
        how = "spelled in bytes" if settings.byte_fallback else "unknown to the model"
        section.improve(
            f"{share(spelling.num_spelled, numbers['pieces'])} of the {code} pieces are {how}"
            f" ({_shown(spelling.missing)})",
            f"raise tokenizer.character_coverage ({settings.character_coverage}) and tokenizer.vocab_size"
            if settings.byte_fallback
            else "tokenizer.byte_fallback=true, or raise tokenizer.character_coverage",
        )
    if spelling.changed is not None and spelling.num_changed > MUCH_LOST * spelling.num_returned:
        lost = share(spelling.num_changed, spelling.num_returned)
        changed = f"{lost} of the {code} sentences are not the same after decoding"
        if settings.normalization not in ("nfc", "identity") or settings.collapse_blanks:
            section.note(f"{changed}, because of tokenizer.normalization and collapse_blanks")
        else:
            section.improve(f'{changed} ("{shortened(spelling.changed, 50)}")', "tokenizer.byte_fallback=true")
    pieces_a_word = numbers["pieces"] / max(1, numbers["words"])
    if numbers["characters"] < WITHOUT_BLANKS * numbers["words"] and pieces_a_word > MANY_PIECES_A_WORD:
        section.improve(
            f"{code} words are split into {pieces_a_word:.1f} pieces on average, which makes sentences long",
            f"raise tokenizer.vocab_size ({settings.vocab_size}), or give each side its own with tokenizer.joint=false",
        )


def _judge_rare(
    section: Section, tokenizers: TokenizerPair, sides: Sequence[Spelling], settings: TokenizerSettings
) -> None:
    if tokenizers.is_joint:
        counted = [sides[0].occurrences + sides[1].occurrences]
    else:
        counted = [spelling.occurrences for spelling in sides]
    rare = total = 0
    for tokenizer, occurrences in zip((tokenizers.source, tokenizers.target), counted, strict=False):
        learned = occurrences[max(NUM_SPECIAL, max(spelling_ids(tokenizer)) + 1) :]
        rare, total = rare + int((learned < RARE).sum()), total + len(learned)
    section.numbers["rare pieces"] = {"rare": rare, "learned": total}
    if total >= LARGE_VOCABULARY and rare > MANY_RARE * total:
        section.improve(
            f"{share(rare, total)} of the vocabulary's pieces occur fewer than {RARE} times in train",
            f"a smaller tokenizer.vocab_size ({settings.vocab_size}) would be learned better",
        )


def _shown(characters: Sequence[tuple[str, int]]) -> str:
    listed = [f"{shortened(character)} {count:,}x" for character, count in characters[:SHOWN]]
    more = len(characters) - SHOWN
    return ", ".join([*listed, *([f"and {more:,} more"] if more > 0 else [])])
