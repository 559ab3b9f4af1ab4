"""Vocabularies of every kind, and lines that tokenizers could read in another way than sentencepiece does."""

import random
from itertools import islice
from pathlib import Path

from mt.data.bundled.source import Bundled
from mt.data.formats.lines import read_lines
from mt.data.tokenizer import TokenizerSettings
from mt.interchange.evidence import HOSTILE

TAGS = ("<2de>", "<2en>")
TAGGED = ("<2de>", "<2de> A man", "<2de>A man", "A <2en> man", "<2de>  two", "  <2de> x", "a<2de><s>b", "<2de></s>")
VOCABULARIES = {
    "unigram": TokenizerSettings(vocab_size=900, reserved_symbols=TAGS),
    "bpe": TokenizerSettings(vocab_size=1500, model_type="bpe", reserved_symbols=TAGS),
    "bpe, no tags": TokenizerSettings(vocab_size=1500, model_type="bpe"),
    "without bytes": TokenizerSettings(vocab_size=600, byte_fallback=False, normalization="identity"),
    "compatible, blanks collapsed": TokenizerSettings(
        vocab_size=900, normalization="nmt_nfkc", collapse_blanks=True, reserved_symbols=TAGS
    ),
    "letters folded": TokenizerSettings(vocab_size=900, model_type="bpe", normalization="nfkc_cf"),
}


def real_lines_of(corpora: Path) -> list[str]:
    """9,000 lines of Multi30k in two languages where the corpora are there, else those that come with the project."""
    files = [corpora / "multi30k" / f"train.{language}.gz" for language in ("en", "de")]
    if all(file.is_file() for file in files):
        sides = [list(islice(read_lines(str(file)), 4500)) for file in files]
    else:
        sides = [
            list(side) for side in zip(*((pair.source, pair.target) for pair in Bundled(split="test")), strict=True)
        ]
    return [line for pair in zip(*sides, strict=True) for line in pair]


def hostile_lines() -> list[str]:
    """Blanks, marks, scripts, names of pieces, tags, and lines of random characters."""
    ranges = ((0x20, 0x7F), (0xA0, 0x250), (0x4E00, 0x9FFF), (0x20, 0x21), (0x3C, 0x3F))
    draw = random.Random(1)
    mixed = ["".join(chr(draw.randrange(*draw.choice(ranges))) for _ in range(20)) for _ in range(300)]
    return [*HOSTILE, *TAGGED, *mixed]
