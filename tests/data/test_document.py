"""Sentences in their documents: which context each has, that cleaning and links still mean the sentence alone."""

import gzip

import pytest

from mt.data.cleaning.settings import CleaningSettings
from mt.data.document import (
    Context,
    DocumentSettings,
    InDocuments,
    alone,
    apart,
    contexts,
    in_documents,
    tree_alone,
    tree_in_context,
)
from mt.data.fingerprint import fingerprint_of
from mt.data.formats.text_files import TextFiles
from mt.data.pair import Fault, Pair
from mt.data.prepare import prepare
from mt.data.settings import DataSettings
from mt.data.shards import shards_of
from mt.data.sources import Source, Sources, with_tag
from mt.data.tokenizer import TokenizerSettings
from tests.corpora import CORPORA

TWO_BEFORE, BOTH = DocumentSettings(context_before=2), DocumentSettings(context_before=1, context_after=2)
END = Pair("", " ")
NEWS = CORPORA / "news-de-en"


class Listed:
    """Pairs given one by one."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def __iter__(self):
        return iter(self.pairs)

    def fingerprint(self):
        return fingerprint_of(self.pairs)


def letters(text):
    return [Pair(letter, letter.upper()) if letter != " " else END for letter in text]


def sources(pairs, settings):
    return [pair.source for pair in InDocuments(Listed(*pairs), settings)]


def test_context_stands_before_and_after_and_never_comes_from_another_document():
    assert sources(letters("abcd ef"), TWO_BEFORE) == [
        "a",
        "a <|before|> b",
        "a <|before|> b <|before|> c",
        "b <|before|> c <|before|> d",
        "e",
        "e <|before|> f",
    ]
    assert sources(letters("abcd ef"), BOTH) == [
        "a <|after|> b <|after|> c",
        "a <|before|> b <|after|> c <|after|> d",
        "b <|before|> c <|after|> d",
        "c <|before|> d",
        "e <|after|> f",
        "e <|before|> f",
    ]


@pytest.mark.parametrize("settings", [TWO_BEFORE, BOTH], ids=["before", "both"])
@pytest.mark.parametrize("text", ["abcdefg", "abc  d", " ab c ", "", "a"])
def test_lines_to_translate_get_the_context_that_was_trained(settings, text):
    lines = [letter.strip() for letter in text]
    found = [context.around(line) for context, line in zip(contexts(lines, settings), lines, strict=True) if line]
    assert found == sources(letters(text), settings)


@pytest.mark.parametrize(
    "context", [Context(), Context(("a b", "c"), ()), Context((), ("d",)), Context(("a",), ("b",))]
)
def test_a_sentence_is_found_again_in_its_context(context):
    assert apart(context.around(" it is ")) == (context, " it is ")


def test_the_farthest_context_goes_first():
    context, left = Context(("a", "b"), ("c",)), []
    while context:
        context = context.without_farthest()
        left.append(context.around("x"))
    assert left == ["b <|before|> x <|after|> c", "b <|before|> x", "x"]


def test_links_go_with_the_words_and_come_back():
    pairs = [Pair("two words", "zwei Worte", "0-0 1-1"), Pair("more", "mehr", "0-0")]
    first, second = InDocuments(Listed(*pairs), TWO_BEFORE)
    assert (first.links, second.links) == ("0-0 1-1", "3-0")  # behind two words and the symbol
    assert second.source.split()[3] == "more"
    assert [alone(first), alone(second)] == pairs


def test_trees_go_with_the_words_of_their_sentence_and_come_back():
    pairs = [Pair("two words", "A", tree="2 0"), Pair("three more words", "B", tree="2 0 2"), Pair("one", "C")]
    found = list(InDocuments(Listed(*pairs), BOTH))
    assert found[1].source.split()[3:6] == ["three", "more", "words"]
    assert [pair.tree for pair in found] == ["2 0 0 0 0 0 0 0", "0 0 0 5 0 5 0 0", None]
    assert [alone(pair) for pair in found] == pairs
    tagged = with_tag(found[1], "<2de>")
    assert tagged.tree == "0 0 0 0 6 0 6 0 0" and alone(tagged) == pairs[1]


def test_trees_that_do_not_fit_their_sentence_do_not_fit_its_context_either():
    source = "a <|before|> x y <|after|> b"
    assert tree_in_context("3 0", source) == "0 0 7 0 0 0"  # of six words
    assert tree_in_context("2 -1 x", source) == "0 0 4 -1 x 0 0"
    assert tree_in_context(" ", source) == " "
    assert tree_alone("2 0", source) == "2 0"


def test_files_keep_their_trees(tmp_path):
    for number in (1, 2):
        for ending, text in (("en", "a b"), ("de", "A"), ("tree", f"{number} 0")):
            (tmp_path / f"{number}.{ending}").write_text(f"{text}\n")
    columns = (("source", "en"), ("target", "de"), ("tree", "tree"))
    files = TextFiles(**{name: [f"{tmp_path}/{n}.{ending}" for n in (1, 2)] for name, ending in columns})
    assert [pair.tree for pair in in_documents(files, BOTH)] == ["1 0", "2 0"]
    assert [[pair.tree for pair in shard] for shard in shards_of(files)] == [["1 0"], ["2 0"]]


def test_what_cannot_be_read_is_no_context_and_stays_as_it_is():
    broken = Pair("b", "", fault=Fault("not UTF-8", "line 2"))
    pairs = [Pair("a", "A"), broken, Pair("", "only here"), Pair("c", "C")]
    found = list(InDocuments(Listed(*pairs), BOTH))
    assert found[1:3] == pairs[1:3]
    assert [found[0].source, found[3].source] == ["a", "a <|before|> c"]


def test_a_tag_stands_before_all_of_it_and_each_file_ends_a_document(tmp_path):
    for name, text in (("1.en", "a\nb\n"), ("1.de", "A\nB\n"), ("2.en", "c\n"), ("2.de", "C\n")):
        (tmp_path / name).write_text(text)
    files = TextFiles(
        **{side: [f"{tmp_path}/{n}.{end}" for n in (1, 2)] for side, end in (("source", "en"), ("target", "de"))}
    )
    corpus = in_documents(Sources(real=Source(corpus=files, tag="<bt>")), TWO_BEFORE)
    assert [pair.source for pair in corpus] == ["<bt> a", "<bt> a <|before|> b", "<bt> c"]
    assert [[pair.source for pair in shard] for shard in shards_of(in_documents(files, TWO_BEFORE))] == [
        ["a", "a <|before|> b"],
        ["c"],
    ]
    assert in_documents(files, DocumentSettings()) is files
    assert in_documents(corpus, TWO_BEFORE).fingerprint() == corpus.fingerprint()
    assert in_documents(files, BOTH).fingerprint() != in_documents(files, TWO_BEFORE).fingerprint()


@pytest.mark.parametrize("value", [-1, 1.5, True, 1001, "2"])
def test_settings_must_be_numbers_of_sentences(value):
    with pytest.raises(ValueError, match=r"document.context_after \(.*\) must be a number of sentences from 0 to 1000"):
        DocumentSettings(context_after=value)


def prepared(folder, train, valid, document, **settings):
    return prepare(
        DataSettings(
            name="documents",
            source_language="en",
            target_language="de",
            train=train,
            valid=valid,
            document=document,
            cleaning=CleaningSettings(drop_identical=False),
            prepared=str(folder),
            **settings,
        ),
        TokenizerSettings(vocab_size=340),
        num_processes=1,
    )


def test_a_pair_is_cleaned_and_counted_by_itself_and_kept_with_its_context(tmp_path):
    sentence, other = Pair("the dog sleeps", "der Hund schläft"), Pair("a cat sleeps", "eine Katze schläft")
    no_text, held_out = Pair("the house", ""), Pair("it is held out", "es ist zurückgehalten")
    train = Listed(sentence, other, no_text, held_out, END, other, sentence, END, sentence, other)
    found = prepared(tmp_path / "prepared", train, Listed(other, held_out), DocumentSettings(context_before=1))
    ledger = found.ledger
    assert ledger.num_in == 8  # ends of documents are no pairs
    assert {reason: drop.count for reason, drop in ledger.drops.items()} == {
        "in valid or test (same pair)": 4,
        "empty side": 1,
        "duplicate (same pair)": 1,
    }
    texts = [found.train.text(number) for number in range(len(found.train))]
    assert [pair.source for pair in texts] == ["the dog sleeps", "a cat sleeps <|before|> the dog sleeps"]
    assert found.valid.sources == ["a cat sleeps", "a cat sleeps <|before|> it is held out"]
    encode = found.tokenizers.source.encode
    symbol = found.tokenizers.source.reserved_symbols.index("<|before|>") + 4
    for number, pair in enumerate(texts):
        assert found.train.pair(number)[0].tolist() == encode(pair.source)
        assert encode(pair.source).count(symbol) == pair.source.count("<|before|>")


def test_context_changes_what_was_prepared_and_no_context_does_not(tmp_path):
    train, valid = Listed(*letters("abcdefghij")), Listed(*letters("xyz"))
    plain = prepared(tmp_path / "prepared", train, valid, DocumentSettings())
    assert prepared(tmp_path / "prepared", train, valid, TWO_BEFORE).fingerprint != plain.fingerprint
    again = prepared(tmp_path / "prepared", train, valid, DocumentSettings())
    assert again.fingerprint == plain.fingerprint
    assert again.tokenizers.source.reserved_symbols == ()


@pytest.mark.skipif(not (NEWS / "newstest2013.de.gz").is_file(), reason="the news corpus is not there (MT_CORPORA)")
def test_real_news_keeps_every_sentence_and_every_context(tmp_path):
    with gzip.open(NEWS / "newstest2013.de.gz", "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[:-1]
    files = TextFiles(source=str(NEWS / "newstest2013.de.gz"), target=str(NEWS / "newstest2013.en.gz"))
    pairs = list(InDocuments(files, BOTH))
    assert [alone(pair).source for pair in pairs] == lines
    found = [context.around(line) for context, line in zip(contexts(lines, BOTH), lines, strict=True)]
    assert [pair.source for pair in pairs] == found
