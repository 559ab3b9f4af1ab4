"""tokenizer.json gives the ids and the texts of sentencepiece, whatever a line holds."""

from importlib.util import find_spec

import pytest

from mt.interchange.tokenizer_json import tokenizer_json
from tests.interchange.vocabularies import hostile_lines

pytestmark = pytest.mark.skipif(
    find_spec("tokenizers") is None, reason="tokenizers is not installed: make test-transformers"
)


@pytest.fixture
def both(vocabulary):
    """A tokenizer of ours, and the same in the library."""
    import tokenizers

    theirs = tokenizers.Tokenizer.from_str(tokenizer_json(vocabulary))
    theirs.encode_special_tokens = True  # as tokenizer_config.json says: split_special_tokens
    return vocabulary, theirs


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


def test_real_lines_have_the_same_ids_and_texts(both, real_lines):
    assert differences(both, [*real_lines, *(f"<2de> {line}" for line in real_lines[:200])]) == ([], [])


def test_hostile_lines_have_the_same_ids_and_texts(both):
    assert differences(both, hostile_lines()) == ([], [])
