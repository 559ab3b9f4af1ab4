"""Tokenizers give back what they got and reserve what they should. How they sample: test_subword_sampler.py."""

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mt.data.canonical import composed
from mt.data.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, TokenizerPair, TokenizerSettings, train_tokenizers

ROOT = Path(__file__).resolve().parents[2]

SOURCES = [f"{number} small dogs and {animal}s run over the green field." for number in range(40) for animal in
           ("cat", "horse", "mouse", "bird", "cow")]  # fmt: skip
TARGETS = [f"{number} kleine Hunde und {animal} rennen über das grüne Feld." for number in range(40) for animal in
           ("Katzen", "Pferde", "Mäuse", "Vögel", "Kühe")]  # fmt: skip
KINDS = {
    "unigram": {"model_type": "unigram"},
    "bpe": {"model_type": "bpe"},
    "unigram-tags": {"model_type": "unigram", "reserved_symbols": ["<2de>", "<2fr>"]},
    "bpe-tags": {"model_type": "bpe", "reserved_symbols": ["<2de>", "<2fr>"]},
    "identity": {"model_type": "unigram", "normalization": "identity"},
}


@pytest.mark.slow  # a second: lines of megabytes
def test_lines_that_are_too_long_to_train_on_are_counted(caplog):
    more = ["ü" * 32769, "u " * 16384]  # as many characters, but the first has more bytes than sentencepiece takes
    sources = [*SOURCES, *more]
    settings = TokenizerSettings(vocab_size=340, joint=False)
    pair = train_tokenizers(sources, [*TARGETS, "a", "b"], len(sources), settings)
    assert "tokenizer: not trained on 1 lines of over 65536 bytes (source)" in caplog.text
    assert len(pair.source.encode("ü")) > len(pair.source.encode("u"))


def trained(**settings) -> TokenizerPair:
    return train_tokenizers(SOURCES, TARGETS, len(SOURCES), TokenizerSettings(**({"vocab_size": 340} | settings)))


@pytest.fixture(scope="module")
def joint() -> dict[str, Tokenizer]:
    return {name: trained(**settings).source for name, settings in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁"), max_size=30))
@example(text="two  blanks,\ttab,   three ")
@example(text=" 👩‍👩‍👧 手紙を書く Ünï\u0301 ﬁ \u00a0\u3000\u200b\ufeff")
@example(text="<2de> A man.")
@example(text="<2de><2fr>")
@example(text=" <2de>")
@example(text="<s></s><unk><pad><0x41> ⁇ ")
@example(text="")
def test_decoded_text_is_the_text(joint, kind, text):
    tokenizer = joint[kind]
    assert tokenizer.decode(tokenizer.encode(text)) == (text if kind == "identity" else composed(text))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "identity"])
@given(
    text=st.text(
        st.sampled_from("aeo \u0300\u0323\u0302\u0327가\u1161\u11a8\u1100क\u093c\u0958Å\u212b\u037e"), max_size=20
    )
)
def test_canonically_equal_texts_have_the_same_pieces(joint, kind, text):
    ids = {form: joint[kind].encode(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert ids["NFC"] == ids["NFD"] == joint[kind].encode(text) == joint[kind].encode_many([text])[0]
    assert joint[kind].sample([unicodedata.normalize("NFD", text)], 0.1, [7]) == joint[kind].sample([text], 0.1, [7])


@pytest.mark.parametrize("normalization", ["nfkc", "nmt_nfkc", "nfkc_cf"])
def test_other_normalizations_compose_too(normalization):
    """Sentencepiece's own tables do not order the marks of a letter."""
    tokenizer = trained(normalization=normalization).source
    assert tokenizer.encode("\u1ed9") == tokenizer.encode("o\u0302\u0323") == tokenizer.encode("o\u0323\u0302")
    assert Tokenizer(tokenizer.to_bytes()).is_composing


def test_a_source_side_may_fold_its_letters_while_the_target_keeps_them():
    """All pieces of a text in capitals are those of the text, so nothing is lost by capitals."""
    pair = trained(joint=False, source_normalization="nfkc_cf")
    assert pair.source.encode(SOURCES[0].upper()) == pair.source.encode(SOURCES[0]) == pair.source.encode("0 Small DOGS"
        " and cats run over the green field.")  # fmt: skip
    assert pair.source.decode(pair.source.encode("Über Straßen")) == "über straßen"
    assert pair.target.decode(pair.target.encode(TARGETS[0])) == TARGETS[0]
    assert trained(joint=False, source_normalization="nfc").digests() == trained(joint=False).digests()


def test_the_model_file_says_that_it_composes_and_older_files_read_as_ever(joint):
    model = joint["identity"].to_bytes()
    assert joint["unigram"].is_composing and Tokenizer(joint["unigram"].to_bytes()).is_composing
    assert not joint["identity"].is_composing
    assert joint["identity"].encode("u\u0308") != joint["identity"].encode("\u00fc")
    # the same pieces, trained on the same text, which was composed already
    assert joint["unigram"].to_bytes() == model + b"\x1a\x05\x0a\x03nfc"
    proto = pytest.importorskip("sentencepiece.sentencepiece_model_pb2").ModelProto.FromString(
        joint["unigram"].to_bytes()
    )
    assert proto.normalizer_spec.name == "nfc" and len(proto.pieces) == joint["unigram"].size


def test_a_vocabulary_learns_from_composed_text():
    decomposed = [[unicodedata.normalize("NFD", line) for line in side] for side in (SOURCES, TARGETS)]
    pair = train_tokenizers(*decomposed, len(SOURCES), TokenizerSettings(vocab_size=340))
    assert pair.source.to_bytes() == trained().source.to_bytes()


def test_the_one_exception_comes_back_as_a_blank(joint):
    tokenizer = joint["unigram"]
    assert tokenizer.decode(tokenizer.encode("a▁b")) == "a b"


def test_collapse_blanks_comes_back_with_single_blanks():
    tokenizer = trained(collapse_blanks=True).source
    assert tokenizer.decode(tokenizer.encode("  small   dogs ")) == "small dogs"


@pytest.mark.parametrize("kind", KINDS)
def test_encode_many_is_encode_of_each(joint, kind):
    texts = [*SOURCES[:7], "", "<2fr> one", "<2de>"]
    for num_threads in (1, 2):
        assert joint[kind].encode_many(texts, num_threads=num_threads) == [joint[kind].encode(text) for text in texts]


def test_special_ids_stand_first_and_text_never_makes_them(joint):
    tokenizer = joint["bpe-tags"]
    assert tokenizer.pieces([PAD, UNK, BOS, EOS, 4, 5]) == ["<pad>", "<unk>", "<s>", "</s>", "<2de>", "<2fr>"]
    assert not set(tokenizer.encode("<pad> <unk> <s> </s> 語")) & {PAD, UNK, BOS, EOS}


@pytest.mark.parametrize("kind", ["unigram-tags", "bpe-tags"])
def test_a_language_tag_is_one_id_at_the_start(joint, kind):
    tokenizer = joint[kind]
    tag = 4
    assert tokenizer.encode("<2de>") == [tag]
    assert tokenizer.encode("<2de> small dogs") == [tag, *tokenizer.encode("small dogs")]
    assert tokenizer.encode("small <2de> dogs").count(tag) == 1
    assert Tokenizer.from_bytes(tokenizer.to_bytes()).reserved_symbols == ("<2de>", "<2fr>")


def test_common_pieces_are_the_first_that_were_learned(joint):
    tokenizer = joint["unigram-tags"]
    first = 4 + 2 + 256
    assert [id_ for id_ in range(tokenizer.size) if tokenizer.is_common(id_, 3)] == [first, first + 1, first + 2]


def test_decode_ignores_pad_and_sentence_ends(joint):
    tokenizer = joint["unigram"]
    ids = tokenizer.encode("small dogs")
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "small dogs"
    with pytest.raises(ValueError, match=r"id \(99999\) must be below the vocabulary's size"):
        tokenizer.decode([99999])


@pytest.mark.parametrize("is_joint", [True, False], ids=["joint", "separate"])
def test_saved_pair_is_the_loaded_pair(tmp_path, is_joint):
    pair = trained(joint=is_joint, vocab_size=305)
    assert pair.is_joint == is_joint
    pair.save(tmp_path)
    files = {"tokenizer.model"} if is_joint else {"source.model", "target.model"}
    assert {path.name for path in tmp_path.iterdir()} == files
    loaded = TokenizerPair.load(tmp_path)
    assert loaded.is_joint == is_joint
    assert loaded.source.encode(SOURCES[3]) == pair.source.encode(SOURCES[3])
    assert loaded.target.encode(TARGETS[3]) == pair.target.encode(TARGETS[3])
    assert loaded.target.size == pair.target.size == 305


def test_training_twice_gives_the_same_model():
    assert trained().source.to_bytes() == trained().source.to_bytes()


def test_cap_trains_on_a_sample_and_says_so(caplog):
    with caplog.at_level("INFO", logger="mt.data.tokenizer"):
        capped = trained(max_sentences=100, vocab_size=320)
    assert "trained on 50 of 200 pairs" in caplog.text
    assert capped.source.to_bytes() != trained(vocab_size=320).source.to_bytes()


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_corpus_too_small_for_the_vocabulary_gives_fewer_pieces_and_a_warning(caplog, model_type):
    tokenizer = trained(vocab_size=30000, model_type=model_type).source
    assert tokenizer.size < 30000
    assert "tokenizer.vocab_size (30000) is more than this corpus can fill" in caplog.text
    assert tokenizer.decode(tokenizer.encode(TARGETS[0])) == TARGETS[0]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"vocab_size": 262}, r"tokenizer.vocab_size \(262\) must be at least \d+ for this corpus \(joint"),
        ({"vocab_size": 260}, r"tokenizer.vocab_size \(260\) must be more than 260"),
        ({"model_type": "word"}, r"tokenizer.model_type \(word\) must be one of: unigram, bpe"),
        ({"normalization": "nfd"}, r"tokenizer.normalization \(nfd\) must be one of"),
        ({"source_normalization": "lower", "joint": False}, r"tokenizer.source_normalization \(lower\) must be one of"),
        (
            {"source_normalization": "nfkc_cf"},
            r"tokenizer.source_normalization \(nfkc_cf\) needs tokenizer.joint=false",
        ),
        ({"reserved_symbols": ["<e\u0301>"]}, "must be in NFC"),
        ({"reserved_symbols": ["2de"]}, "must look like <2de>"),
        ({"reserved_symbols": ["<s>"]}, "must look like <2de> and not be a special piece"),
        ({"character_coverage": 0.97}, "must be between 0.98 and 1"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_mistakes_are_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as error:
        trained(**settings)
    assert "\n" not in str(error.value)


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"tokenizer.model: not a sentencepiece model"):
        TokenizerPair.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no tokenizer.model, and no source.model"):
        TokenizerPair.load(tmp_path / "nowhere")


def test_too_little_address_space_for_its_threads_is_one_line(tmp_path):
    """Where they cannot start, sentencepiece would end the process with a code of its own."""
    pytest.importorskip("resource", reason="needs limits of a process")
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs Linux's count of memory")
    script = (
        "import resource; from pathlib import Path; from mt.command_line import run\n"
        "from mt.data.tokenizer import TokenizerSettings, train_tokenizers\n"
        "def main():\n"
        "    used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20, resource.RLIM_INFINITY))\n"
        "    train_tokenizers(['a b'] * 99, ['c d'] * 99, 99, TokenizerSettings(vocab_size=300))\n"
        "run(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "16 threads need 512 MiB of address space, the limit (ulimit -v) leaves" in done.stderr
