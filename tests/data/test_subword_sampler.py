"""Subword sampling draws from the distribution that it claims; a seed decides it in any process, order and batch."""

import functools
import itertools
import json
import math
import pickle
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mt.data.bundled.source import Bundled
from mt.data.subword_sampler import CACHED_STRENGTHS, SubwordSampler
from mt.data.tokenizer import UNK, Tokenizer, TokenizerSettings, train_tokenizers
from tests.children import run

PAIRS = list(Bundled("train", size=1000))
LINES = [text for pair in PAIRS[:100] for text in (pair.source, pair.target)]
KINDS = {
    "unigram": {"model_type": "unigram"},
    "bpe": {"model_type": "bpe"},
    "unigram-tags": {"model_type": "unigram", "reserved_symbols": ["<2de>", "<2fr>"]},
    "bpe-tags": {"model_type": "bpe", "reserved_symbols": ["<2de>", "<2fr>"], "normalization": "nmt_nfkc"},
    "unigram-unknown": {"model_type": "unigram", "byte_fallback": False, "vocab_size": 400},
    "bpe-unknown": {"model_type": "bpe", "byte_fallback": False, "vocab_size": 400, "reserved_symbols": ["<2de>"]},
    "unigram-collapse": {"model_type": "unigram", "collapse_blanks": True, "normalization": "nfkc"},
    "bpe-collapse": {"model_type": "bpe", "collapse_blanks": True},
}
BOTH = [("unigram", 0.2), ("bpe", 0.3)]
STRENGTHS = {"unigram": (0.0, 0.1, 0.5, 1.0), "bpe": (0.1, 0.5, 0.9)}


@functools.cache
def tokenizer_of(kind: str) -> Tokenizer:
    wanted = TokenizerSettings(**({"vocab_size": 1500} | KINDS[kind]))
    return train_tokenizers([pair.source for pair in PAIRS], [pair.target for pair in PAIRS], len(PAIRS), wanted).source


def seeds(count: int, *, start: int = 0) -> range:
    return range(start, start + count)


def scores(tokenizer: Tokenizer) -> dict[str, float]:
    """The score of every learned piece, by sentencepiece."""
    processor = tokenizer._processor
    ids = range(tokenizer.size)
    learned = [id_ for id_ in ids if not (processor.is_control(id_) or processor.is_byte(id_) or id_ == UNK)]
    return {processor.id_to_piece(id_): processor.get_score(id_) for id_ in learned}


def bytes_of(text: str) -> tuple[str, ...]:
    return tuple(f"<0x{byte:02X}>" for byte in text.encode())


def unigram_distribution(tokenizer: Tokenizer, text: str, alpha: float) -> dict[tuple[str, ...], float]:
    """The probability of every segmentation of the whole text, by trying all of them."""
    known = scores(tokenizer)
    unknown = min(known.values()) - 10

    def ways(rest: str):
        if not rest:
            yield (), 0.0
        for length in range(1, len(rest) + 1):
            if (piece := rest[:length]) in known:
                begin, score = (piece,), known[piece]
            elif length == 1:
                begin, score = bytes_of(piece), unknown
            else:
                continue
            for pieces, total in ways(rest[length:]):
                yield begin + pieces, score + total

    weights = {pieces: math.exp(alpha * total) for pieces, total in ways(tokenizer._processor.normalize(text))}
    return {pieces: weight / sum(weights.values()) for pieces, weight in weights.items()}


def bpe_distribution(tokenizer: Tokenizer, text: str, dropout: float) -> dict[tuple[str, ...], float]:
    """The probability of every outcome, by following each merge that comes up both ways."""
    known = scores(tokenizer)
    found: Counter = Counter()

    def follow(parts: tuple[str, ...], passed_over: frozenset, probability: float):
        starts = [sum(map(len, parts[:number])) for number in range(len(parts))]
        offers = [
            (-known[left + right], starts[number], number)
            for number, (left, right) in enumerate(itertools.pairwise(parts))
            if left + right in known and (starts[number], left, right) not in passed_over
        ]
        if not offers:
            pieces = sum(((part,) if part in known else bytes_of(part) for part in parts), ())
            found[pieces] += probability
            return
        _, start, number = min(offers)
        left, right = parts[number : number + 2]
        follow(parts, passed_over | {(start, left, right)}, probability * dropout)
        follow((*parts[:number], left + right, *parts[number + 2 :]), passed_over, probability * (1 - dropout))

    follow(tuple(tokenizer._processor.normalize(text)), frozenset(), 1.0)
    return dict(found)


def assert_drawn_from(drawn: Counter, expected: dict[tuple[str, ...], float]) -> None:
    """Pearson's test at about five standard deviations; what is expected fewer than five times counts as one."""
    total = drawn.total()
    assert drawn.keys() <= expected.keys()
    frequent = [pieces for pieces, probability in expected.items() if probability * total >= 5]
    observed = [drawn[pieces] for pieces in frequent] + [total - sum(drawn[pieces] for pieces in frequent)]
    wanted = [expected[pieces] * total for pieces in frequent]
    wanted.append(max(total - sum(wanted), 1e-9))
    if wanted[-1] < 5:
        observed, wanted = observed[:-1], wanted[:-1]
    statistic = sum((seen - want) ** 2 / want for seen, want in zip(observed, wanted, strict=True))
    degrees = max(len(wanted) - 1, 1)
    assert statistic < degrees + 5 * math.sqrt(2 * degrees) + 10


def pieces_of(tokenizer: Tokenizer, ids: list[int]) -> tuple[str, ...]:
    return tuple(tokenizer.pieces(ids))


def drawn(tokenizer: Tokenizer, text: str, strength: float, count: int) -> Counter:
    return Counter(pieces_of(tokenizer, ids) for ids in tokenizer.sample([text] * count, strength, seeds(count)))


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("text", ["dancers", "bakery", "Katze a", "dög", "  s"])
def test_unigram_draws_every_segmentation_with_its_probability(text, alpha):
    tokenizer = tokenizer_of("unigram")
    assert_drawn_from(drawn(tokenizer, text, alpha, 4_000), unigram_distribution(tokenizer, text, alpha))


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("text", ["dancers", "bakery", "Katze a", "dög", "  s"])
def test_bpe_passes_over_each_merge_with_its_probability(text, dropout):
    tokenizer = tokenizer_of("bpe")
    assert_drawn_from(drawn(tokenizer, text, dropout, 4_000), bpe_distribution(tokenizer, text, dropout))


@pytest.mark.slow  # a second: draws thousands of samples
@pytest.mark.parametrize("kind, strength", [("unigram", 0.1), ("unigram", 0.5), ("bpe", 0.1), ("bpe", 0.5)])
@pytest.mark.parametrize("text", ["the dancers", "the bäkery"])
def test_frequencies_are_those_of_sentencepiece(kind, strength, text):
    tokenizer, count = tokenizer_of(kind), 4_000
    theirs = tokenizer._processor.encode([text] * count, enable_sampling=True, alpha=strength, nbest_size=-1)
    theirs = Counter(pieces_of(tokenizer, ids) for ids in theirs)
    ours = drawn(tokenizer, text, strength, count)
    # two samples of one distribution, in cells seen at least ten times
    cells = [(ours[pieces], theirs[pieces]) for pieces in ours | theirs if ours[pieces] + theirs[pieces] >= 10]
    cells.append((count - sum(our for our, _ in cells), count - sum(their for _, their in cells)))
    statistic = sum((our - their) ** 2 / (our + their) for our, their in cells if our + their)
    assert len(cells) >= 5
    assert statistic < len(cells) + 5 * math.sqrt(2 * len(cells)) + 10


def test_a_large_alpha_gives_a_best_segmentation():
    tokenizer = tokenizer_of("unigram")
    known = scores(tokenizer)
    for text, ids in zip(LINES, tokenizer.sample(LINES, 5000.0, seeds(len(LINES))), strict=True):
        best = sum(known[piece] for piece in tokenizer.pieces(tokenizer.encode(text)))
        assert sum(known[piece] for piece in tokenizer.pieces(ids)) == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("bpe")])
def test_no_dropout_is_the_best_segmentation(kind):
    texts = [*LINES, "", " ", "<2de> dogs", "a<2de>dogs<2fr>", "  dogs  ", "öööö 語", "dogs▁cats", "\0", "x" * 5000]
    assert tokenizer_of(kind).sample(texts, 0, seeds(len(texts))) == tokenizer_of(kind).encode_many(texts)


def test_full_dropout_leaves_characters():
    tokenizer = tokenizer_of("bpe")
    (ids,) = tokenizer.sample(["dogs and cats"], 1, [5])
    assert tokenizer.pieces(ids) == list("▁dogs▁and▁cats")


@pytest.mark.parametrize("kind, strength", BOTH)
def test_another_process_draws_the_same(kind, strength, tmp_path):
    tokenizer = tokenizer_of(kind)
    tokenizer.save(tmp_path / "model")
    program = (
        "import json, sys; from mt.data.tokenizer import Tokenizer; path, texts, strength = json.loads(sys.argv[1]);"
        "print(json.dumps(Tokenizer.load(path).sample(texts, strength, range(7, 7 + len(texts)))))"
    )
    argument = json.dumps([str(tmp_path / "model"), LINES[:50], strength])
    outputs = [run(["-c", program, argument], capture_output=True, text=True, check=True).stdout for _ in range(2)]
    here = tokenizer.sample(LINES[:50], strength, seeds(50, start=7))
    assert [json.loads(output) for output in outputs] == [here, here]


@pytest.mark.parametrize("kind, strength", BOTH)
def test_a_sentence_follows_from_its_own_seed(kind, strength):
    tokenizer = tokenizer_of(kind)
    numbers = np.random.default_rng(3).integers(0, 2**64, len(LINES), dtype=np.uint64)
    together = tokenizer.sample(LINES, strength, numbers)
    alone = [tokenizer.sample([text], strength, [int(number)])[0] for text, number in zip(LINES, numbers, strict=True)]
    backwards = tokenizer.sample(LINES[::-1], strength, numbers[::-1])[::-1]
    fresh = Tokenizer.from_bytes(tokenizer.to_bytes()).sample(LINES[70:90], strength, numbers[70:90])
    assert together == alone == backwards
    assert together[70:90] == fresh
    assert tokenizer.sample(LINES, strength, numbers + np.uint64(1)) != together
    assert together != tokenizer.encode_many(LINES)
    with pytest.raises(ValueError):
        tokenizer.sample(LINES, strength, [1])


@pytest.mark.slow  # a second: draws thousands of samples
def test_the_same_seeds_draw_otherwise_at_another_strength():
    tokenizer = tokenizer_of("unigram")
    strengths = [0.05 + 0.05 * number for number in range(2 * CACHED_STRENGTHS)]
    once = [tokenizer.sample(LINES, strength, seeds(len(LINES))) for strength in strengths]
    assert [tokenizer.sample(LINES, strength, seeds(len(LINES))) for strength in strengths] == once
    assert len({str(ids) for ids in once}) == len(strengths)


@pytest.mark.parametrize("kind, strength", BOTH)
def test_a_full_cache_changes_nothing(kind, strength, monkeypatch):
    roomy = tokenizer_of(kind).sample(LINES, strength, seeds(len(LINES)))
    monkeypatch.setattr("mt.data.subword_sampler.CACHED_WORDS", 3)
    monkeypatch.setattr("mt.data.subword_sampler.CACHED_CHARACTERS", 5)
    tight = Tokenizer.from_bytes(tokenizer_of(kind).to_bytes())
    assert tight.sample(LINES, strength, seeds(len(LINES))) == roomy


@pytest.mark.slow  # a second: draws thousands of samples
@pytest.mark.parametrize("kind, strength", BOTH)
def test_threads_draw_what_one_draws(kind, strength, monkeypatch):
    monkeypatch.setattr("mt.data.subword_sampler.CACHED_WORDS", 5)  # they empty one another's cache
    tokenizer = Tokenizer.from_bytes(tokenizer_of(kind).to_bytes())
    alone = [tokenizer.sample(LINES, strength, seeds(len(LINES), start=start)) for start in range(6)]
    together = {}

    def sample(start):
        together[start] = tokenizer.sample(LINES, strength, seeds(len(LINES), start=start))

    threads = [threading.Thread(target=sample, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[start] for start in range(6)] == alone


@pytest.mark.parametrize("kind, strength", BOTH)
def test_a_tokenizer_that_has_sampled_can_be_sent_to_another_process(kind, strength):
    tokenizer = tokenizer_of(kind)
    here = tokenizer.sample(LINES, strength, seeds(len(LINES)))
    assert pickle.loads(pickle.dumps(tokenizer)).sample(LINES, strength, seeds(len(LINES))) == here


BITS = ["<2de>", "<2fr>", "<2", "de>", " ", "  ", "▁", "\t", "\0", "\u2028", "\ufeff", "ﬁ", "dogs", "ing", "ö", "語語",
        "👩‍👩‍👧", "e\u0301\u0301", "<s>", "<unk>", "<0x41>", "\u202e", "\U0010ffff"]  # fmt: skip
NASTY = st.lists(
    st.one_of(st.sampled_from(BITS), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)), max_size=12
).map("".join)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)  # the first of a kind trains its tokenizer
@given(text=NASTY, seed=st.integers(0, 2**64 - 1), number=st.integers(0, 3))
@example(text="", seed=0, number=0)
@example(text=" ", seed=0, number=0)
@example(text="<2de> a<2fr>b <2de>", seed=0, number=0)
@example(text="語語 語▁語", seed=0, number=0)
def test_sampled_text_is_the_text(kind, text, seed, number):
    tokenizer = tokenizer_of(kind)
    strengths = STRENGTHS[kind.split("-")[0]]
    (sampled,) = tokenizer.sample([text], strengths[number % len(strengths)], [seed])
    best = tokenizer.encode(text)
    assert tokenizer.decode(sampled) == tokenizer.decode(best)
    reserved = range(4, 4 + len(tokenizer.reserved_symbols))
    assert [id_ for id_ in sampled if id_ in reserved] == [id_ for id_ in best if id_ in reserved]
    if best and best[0] in reserved:
        assert sampled[0] == best[0]
    if "unknown" in kind:
        assert sampled.count(UNK) == best.count(UNK)


@pytest.mark.slow  # a second: draws thousands of samples
@pytest.mark.parametrize("kind, strength", BOTH)
def test_a_line_without_a_blank_may_be_long(kind, strength):
    text = "dogsandcats" * 10_000
    tokenizer = tokenizer_of(kind)
    (ids,) = tokenizer.sample([text], strength, [1])
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    "kind, strength, message",
    [
        ("bpe", 1.5, r"BPE-dropout \(1.5\) must be between 0 and 1"),
        ("bpe", -0.1, r"BPE-dropout \(-0.1\) must be between 0 and 1"),
        ("unigram", -0.1, r"unigram sampling \(-0.1\) must be a number not below 0"),
        ("unigram", math.inf, r"unigram sampling \(inf\) must be a number not below 0"),
        ("unigram", math.nan, r"unigram sampling \(nan\) must be a number not below 0"),
    ],
)
def test_a_wrong_strength_is_refused(kind, strength, message):
    with pytest.raises(ValueError, match=message):
        tokenizer_of(kind).sample(["a"], strength, [1])


class ToyModel:
    """What the sampler asks of a sentencepiece model, with fixed pieces: no training, no version of sentencepiece."""

    def __init__(self, pieces: dict[str, float]) -> None:
        self._pieces = {"<pad>": 0.0, "<unk>": 0.0, "<s>": 0.0, "</s>": 0.0} | pieces

    def __len__(self) -> int:
        return len(self._pieces)

    def normalize(self, text: str) -> str:
        return "▁" + text.replace(" ", "▁")

    def unk_id(self) -> int:
        return UNK

    def id_to_piece(self, id_: int) -> str:
        return list(self._pieces)[id_]

    def piece_to_id(self, piece: str) -> int:
        return list(self._pieces).index(piece) if piece in self._pieces else UNK

    def get_score(self, id_: int) -> float:
        return list(self._pieces.values())[id_]

    def is_control(self, id_: int) -> bool:
        return id_ in (0, 2, 3)

    def is_unknown(self, id_: int) -> bool:
        return id_ == UNK

    def is_byte(self, id_: int) -> bool:
        return False

    is_unused = is_byte


UNIGRAM = {"▁": -2.5, "▁ab": -3.5, "a": -3.25, "b": -3.75, "ab": -4.5, "ba": -4.25, "abba": -9.5}
BPE = {"ab": 0.0, "▁ab": -1.0, "ba": -2.0, "abba": -3.0, "▁": -4.0, "a": -5.0, "b": -6.0}


@pytest.mark.parametrize(
    "pieces, strength, expected",
    [
        (UNIGRAM, 0.5, [[5, 9, 4, 9], [4, 10, 4, 9], [4, 9, 6, 7], [4, 7, 1, 6]]),
        (BPE, 0.5, [[5, 10, 9, 8, 10, 9], [8, 9, 10, 6, 8, 6], [8, 10, 9, 9, 10], [8, 10, 1, 9]]),
    ],
    ids=["unigram", "bpe"],
)
def test_what_a_seed_draws_never_changes(pieces, strength, expected):
    """A run that is resumed with a newer Python, or after this code was made better, draws what it would have drawn."""
    sampler = SubwordSampler(ToyModel(pieces), [])
    ids = sampler.draw(["abba ba", "abba ba", "baab", "b?!a"], strength, [0, 1, 2**64 - 1, 12345678901234567890])
    assert ids == expected


def test_pieces_across_blanks_are_drawn_too():
    """No model trained here has such pieces, but a foreign one may."""
    pieces = {"▁": -1.5, "a": -1.25, "b": -1.75, "a▁b": -2.5}
    sampler = SubwordSampler(ToyModel(pieces), [])
    ids = sampler.draw(["a b"] * 10_000, 1.0, range(10_000))
    apart, across = math.exp(-1.5 - 1.25 - 1.5 - 1.75), math.exp(-1.5 - 2.5)
    assert Counter(map(tuple, ids))[(4, 7)] / 10_000 == pytest.approx(across / (apart + across), abs=0.015)
