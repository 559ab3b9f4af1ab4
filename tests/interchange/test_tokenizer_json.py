"""tokenizer.json gives the ids and the texts of sentencepiece, whatever a line holds."""

import os
import random
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import pytest

from mt.data.bundled.source import Bundled
from mt.data.formats.lines import read_lines
from mt.data.tokenizer import TokenizerPair, TokenizerSettings, train_tokenizers
from mt.interchange.evidence import HOSTILE
from mt.interchange.tokenizer_json import tokenizer_json
from tests.conftest import made_once

pytestmark = pytest.mark.skipif(
    find_spec("tokenizers") is None, reason="tokenizers is not installed: make test-transformers"
)
CORPORA = Path(os.environ.get("MT_CORPORA", Path(__file__).resolve().parents[2].parent / "shared" / "corpora"))
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
}


@pytest.fixture(scope="module")
def lines():
    """9,000 lines of Multi30k in two languages where the corpora are there, else those that come with the project."""
    files = [CORPORA / "multi30k" / f"train.{language}.gz" for language in ("en", "de")]
    if all(file.is_file() for file in files):
        sides = [list(islice(read_lines(str(file)), 4500)) for file in files]
    else:
        sides = list(zip(*((pair.source, pair.target) for pair in Bundled(split="test")), strict=True))
    return [line for pair in zip(*sides, strict=True) for line in pair]


@pytest.fixture(params=VOCABULARIES)
def both(request, lines, tmp_path_factory):
    """A tokenizer of ours, and the same in the library."""
    import tokenizers

    folder = made_once(
        tmp_path_factory,
        f"vocabulary {request.param}",
        lambda path: train_tokenizers(
            lines[:1600:2], lines[1:1600:2], len(lines[:1600:2]), VOCABULARIES[request.param]
        ).save(path),
    )
    ours = TokenizerPair.load(folder).source
    theirs = tokenizers.Tokenizer.from_str(tokenizer_json(ours))
    theirs.encode_special_tokens = True  # as tokenizer_config.json says: split_special_tokens
    return ours, theirs


def differences(both, lines):
    """Lines with other ids, and lines whose ids give another text."""
    ours, theirs = both
    ids = ours.encode_many(lines)
    found = [line.ids[:-1] for line in theirs.encode_batch(lines)]
    texts = theirs.decode_batch(ids, skip_special_tokens=True)
    whole = [1 not in of for of in ids]  # an unknown piece is a sign of its own in sentencepiece
    return [line for line, a, b in zip(lines, ids, found, strict=True) if a != b], [
        line for line, a, b, known in zip(lines, map(ours.decode, ids), texts, whole, strict=True) if known and a != b
    ]


def test_real_lines_have_the_same_ids_and_texts(both, lines):
    assert differences(both, [*lines, *(f"<2de> {line}" for line in lines[:200])]) == ([], [])


def test_hostile_lines_have_the_same_ids_and_texts(both):
    ranges = ((0x20, 0x7F), (0xA0, 0x250), (0x4E00, 0x9FFF), (0x20, 0x21), (0x3C, 0x3F))
    draw = random.Random(1)
    mixed = ["".join(chr(draw.randrange(*draw.choice(ranges))) for _ in range(20)) for _ in range(300)]
    assert differences(both, [*HOSTILE, *TAGGED, *mixed]) == ([], [])
