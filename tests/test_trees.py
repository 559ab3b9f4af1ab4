"""Trees from a side file to translations: the words of this corpus come in an order that their trees alone tell."""

import json
import random
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mt import align, evaluate
from mt.alignment.tree import Trees
from mt.alignment.words import by_words
from mt.data.batching import TokenBatches
from mt.data.document import BEFORE
from mt.data.store import Store
from mt.data.text_store import TextStore
from mt.data.tokenizer import EOS, TokenizerPair
from mt.inference.aligner import Aligner
from mt.inference.request import Request, requests
from mt.inference.translator import Translator
from mt.train import main as train
from mt.training.source_trees import with_trees
from mt.translate import main
from tests.conftest import SHORT_VALIDATION, WORDS, composed_settings, train_overrides

pytestmark = pytest.mark.usefixtures("curves")
STRUCTURED = "attention@model.encoder.self_attention=structured"


def rooted(count, seed):
    """(source, its tree, its translation): the root's translation first, then those of the words that hang on it."""
    rng = random.Random(seed)
    for _ in range(count):
        words = rng.choices(list(WORDS), k=rng.randint(2, 5))
        root = rng.randrange(len(words))
        tree = " ".join("0" if place == root else str(root + 1) for place in range(len(words)))
        order = [words[root], *words[:root], *words[root + 1 :]]
        yield " ".join(words), tree, " ".join(WORDS[word] for word in order)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rooted")
    for name, count, seed in (("train", 3000, 1), ("valid", 60, 2), ("test", 60, 3)):
        for ending, lines in zip(("de", "tree", "en"), zip(*rooted(count, seed), strict=True), strict=True):
            (folder / f"{name}.{ending}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def overrides(corpus, work, *more):
    plain = [override for override in train_overrides(corpus, work) if "valid.links" not in override]
    trees = [f"+data.{part}.tree={corpus}/{part.split('.')[-1]}.tree" for part in ("train", "valid", "tests.test")]
    return [*plain, *trees, *more]


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    work = tmp_path_factory.mktemp("trees")
    more = (STRUCTURED, "batches.sampling.source=0.3", "guidance.links=learned", "trainer.max_steps=400")
    train(composed_settings(overrides(corpus, work, *more)))
    return work / "run"


@pytest.fixture
def translate(run, capsys, monkeypatch, tmp_path):
    def call(*flags, stdin=""):
        (tmp_path / "stdin").write_text(stdin, encoding="utf-8")
        with (tmp_path / "stdin").open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert main(["--checkpoint", str(run), "--device", "cpu", *map(str, flags)]) == 0
        return capsys.readouterr().out.split("\n")[:-1]

    return call


def share_right(found, corpus):
    references = (corpus / "test.en").read_text("utf-8").splitlines()
    return sum(a == b for a, b in zip(found, references, strict=True)) / len(references)


def test_a_model_learns_from_trees_what_no_other_can_know(run, translate, corpus):
    scores = json.loads((run / "scores.json").read_text("utf-8"))
    with_trees = translate("--input", corpus / "test.de", "--trees", corpus / "test.tree")
    without = translate("--input", corpus / "test.de")
    assert share_right(with_trees, corpus) > 0.9 > 0.6 > share_right(without, corpus)
    assert scores["tests"]["test"]["bleu"] > 90  # the run's own validation and tests have them too


def test_trees_of_one_line_decide_its_translation_alone(translate, tmp_path):
    (tmp_path / "trees").write_text("0 1 1\n2 0 2\n3 3 0\n", encoding="utf-8")
    found = translate("--trees", tmp_path / "trees", "eins zwei drei", "eins zwei drei", "eins zwei drei")
    assert found == ["one two three", "two one three", "three one two"]


def test_processes_and_windows_give_each_line_its_own_tree(translate, corpus):
    content = (corpus / "train.de").read_text("utf-8").splitlines()[:700]
    trees = corpus / "some.tree"
    trees.write_text("\n".join((corpus / "train.tree").read_text("utf-8").splitlines()[:700]) + "\n", encoding="utf-8")
    stdin = "\n".join(content) + "\n"
    flags = ("--trees", trees, "--beam-size", 1)
    one = translate(*flags, "--workers", 1, stdin=stdin)
    assert len(one) == 700 and translate(*flags, "--workers", 2, stdin=stdin) == one


def test_links_are_those_of_the_translation_with_its_tree(run, translate, tmp_path):
    (tmp_path / "trees").write_text("3 3 0\n", encoding="utf-8")
    (row,) = translate("--trees", tmp_path / "trees", "--json", "--alignment", "eins zwei drei")
    assert json.loads(row)["translations"][0]["links"] == "0-1 1-2 2-0"
    aligner = Aligner.load(run, device="cpu")
    with_tree, without = (
        aligner.attention(["eins zwei drei"], ["three one two"], trees=trees)[0].weights_LHTS
        for trees in (["3 3 0"], None)
    )
    assert abs(with_tree - without).max() > 0.01


def test_trees_go_along_wherever_sentences_are_translated_scored_and_aligned(run, corpus, tmp_path, capsys):
    texts = {name: corpus / f"test.{name}" for name in ("de", "en", "tree")}
    how = ["--checkpoint", str(run), "--source", str(texts["de"])]
    trees = ["--trees", str(texts["tree"])]
    bleu = []
    for more in (trees, []):
        assert evaluate.main([*how, "--device", "cpu", "--reference", str(texts["en"]), "--json", *more]) == 0
        bleu.append(json.loads(capsys.readouterr().out)["scores"]["test.de"]["bleu"])
    assert bleu[0] > 90 > 70 > bleu[1]
    aligner = Aligner.load(run, device="cpu")
    source, target, tree = (path.read_text("utf-8").splitlines() for path in texts.values())
    for more, of_tree in ((trees, tree), ([], None)):
        flags = ["--target", str(texts["en"]), "--formats", "json", "--output", str(tmp_path / "out"), *more]
        assert align.main([*how, "--device", "cpu", *flags]) == 0
        records = map(json.loads, (tmp_path / "out" / "alignments.jsonl").read_text("utf-8").splitlines())
        alone = aligner.align(source[:3], target[:3], trees=of_tree and of_tree[:3])
        for record, found, *texts_of_line in zip(records, alone, source, target, strict=False):
            np.testing.assert_allclose(record["weights"], by_words(found, *texts_of_line).weights_TS, atol=1e-3)
    capsys.readouterr()
    ranked = []
    for more in (trees, []):
        flags = ["choose", *how, "--target", str(texts["en"]), "--dry-run", "--show", "40", *more]
        assert align.main([*flags, "--device", "cpu"]) == 0
        ranked.append(capsys.readouterr().out)
    assert ranked[0] != ranked[1]
    with pytest.raises(ValueError, match=r"test.en has 60 lines, .*source has 1: line n of both must correspond"):
        (tmp_path / "source").write_text("eins\n", encoding="utf-8")
        align.main([*how[:2], "--source", str(tmp_path / "source"), "--trees", str(texts["en"]), "--output", "none"])


def test_blank_trees_are_none_and_those_that_do_not_fit_are_said(translate, tmp_path, caplog):
    lines = ["eins zwei", "eins zwei", "eins zwei drei", "eins zwei", ""]
    plain = translate(stdin="\n".join(lines) + "\n")
    (tmp_path / "trees").write_text("\n  \n2 0\n2 1\n\n", encoding="utf-8")
    assert translate("--trees", tmp_path / "trees", stdin="\n".join(lines) + "\n") == plain
    assert (
        "line 3: translated without its tree: heads (2) must be as many as the words of the sentence (3)" in caplog.text
    )
    assert "line 4: translated without its tree: heads: word 1 is above itself, in a circle" in caplog.text
    assert "line 1:" not in caplog.text and "line 2:" not in caplog.text
    (tmp_path / "long").write_text("0" + " 1" * 29 + "\n", encoding="utf-8")
    translate("--trees", tmp_path / "long", "--max-pieces", 20, "eins " * 30)
    assert "line 1: translated without its tree: it was split" in caplog.text


@pytest.mark.parametrize(
    "content, message",
    [("0\n", r"--trees \(.*\) has 1 lines, fewer than"), ("0\n0\n0\n", r"--trees \(.*\) has more than 2 lines")],
)
def test_as_many_trees_as_sentences(translate, tmp_path, content, message):
    (tmp_path / "trees").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        translate("--trees", tmp_path / "trees", stdin="eins\nzwei\n")


def test_trees_for_a_model_that_asks_for_none_are_refused(trained_run, tmp_path):
    (tmp_path / "trees").write_text("0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"--trees \(.*\) is for a model with structured attention: .* has none"):
        main(["--checkpoint", str(trained_run), "--device", "cpu", "--trees", str(tmp_path / "trees"), "eins"])
    with pytest.raises(FileNotFoundError):
        main(["--checkpoint", str(trained_run), "--device", "cpu", "--trees", str(tmp_path / "none"), "eins"])


def test_a_line_does_not_depend_on_its_batch(run):
    translator = Translator.load(run, device="cpu")
    lines, trees = ["eins zwei drei", "vier", "acht sechs", "zwei drei vier eins"], ["2 0 2", None, "", "4 4 4 0"]
    together = [each.text for each in translator.translate(requests(lines, trees=trees))]
    assert together == [
        next(translator.translate([Request(a, tree=b)])).text for a, b in zip(lines, trees, strict=True)
    ]


@pytest.fixture(scope="module")
def document_run(corpus, tmp_path_factory):
    work = tmp_path_factory.mktemp("documents")
    more = ["data.document.context_before=1", "trainer.max_steps=1", *SHORT_VALIDATION]
    train(composed_settings(overrides(corpus, work, STRUCTURED, "data/cleaning=off", *more)))
    return work / "run"


@pytest.fixture
def asked(monkeypatch):
    """The sources (`Text`) that the model is asked to translate."""
    found = []

    def search_ids(self, sources, *how):
        found.extend(sources)
        return search_them(self, sources, *how)

    search_them = Translator.search_ids
    monkeypatch.setattr(Translator, "search_ids", search_ids)
    return found


def test_a_sentence_of_a_document_is_translated_with_its_own_tree(document_run, tmp_path, asked):
    translator = Translator.load(document_run, device="cpu")
    encode = translator.tokenizers.source.encode
    (tmp_path / "trees").write_text("2 0\n2 0 2\n\n0 1\n", encoding="utf-8")
    flags = ["--checkpoint", str(document_run), "--device", "cpu", "--document", "--trees", str(tmp_path / "trees")]
    assert main([*flags, "eins zwei", "drei vier acht", "", "acht zwei"]) == 0
    [first], [second], [third] = (source.pieces() for source in asked)
    alone, in_context, _ = (source.tree_distance_BSS for source in asked)
    assert [first, second, third] == [
        [*encode(text), EOS] for text in ("eins zwei", "eins zwei <|before|> drei vier acht", "acht zwei")
    ]
    assert alone.equal(translator.source("eins zwei", "2 0", first[:-1]).tree_distance_BSS)
    own = translator.source("drei vier acht", "2 0 2", encode("drei vier acht")).tree_distance_BSS
    size, start = len(second), len(second) - own.shape[1]
    assert in_context.shape == (1, size, size) and in_context[:, start:, start:].equal(own)
    assert (in_context[:, :start, start:] == -1).all() and (in_context[:, start:, :start] == -1).all()


def test_batches_of_documents_have_a_tree_for_every_sentence(document_run):
    data, tokenizers = document_run.parent / "data", TokenizerPair.load(document_run.parent / "data" / "tokenizer")
    source = tokenizers.source
    trees = Trees(source.pieces(range(source.size)))
    store = Store(data / "encoded" / "train", TextStore(data / "clean" / "train"))
    symbol = source.encode(BEFORE)[-1]
    num_with_context = 0
    how = {"max_tokens": 2000, "seed": 1, "shuffle": False, "make_source": with_trees(trees)}
    for batch in TokenBatches(store, tokenizers, **how).once():
        for source_S, distance_SS in zip(batch.source.ids_BS, batch.source.tree_distance_BSS, strict=True):
            places = (source_S == symbol).nonzero()
            start, end = int(places[0]) + 1 if len(places) else 0, int((source_S == EOS).nonzero())
            assert (distance_SS[start:end, start:end] >= 0).all()  # from each word to each other of its sentence
            assert (distance_SS[:start, start:] == -1).all() and (distance_SS[start:, :start] == -1).all()
            num_with_context += start > 0
    assert trees.num_left_out == 0 and num_with_context > 2000


def test_structured_attention_without_trees_is_refused_and_trees_without_it_are_said(
    corpus_folder, corpus, tmp_path, caplog
):
    plain = [STRUCTURED, "trainer.max_steps=1", "trainer.validate_every=1"]
    with pytest.raises(ValueError, match=r"structured attention needs a corpus with trees, as data.train.tree=FILE"):
        train(composed_settings([*train_overrides(corpus_folder, tmp_path / "without"), *plain]))
    train(composed_settings(overrides(corpus, tmp_path / "unused", "trainer.max_steps=1", *SHORT_VALIDATION)))
    assert "the corpus's trees are not used" in caplog.text


def test_prepared_trees_stay_with_their_sentences(run):
    store = TextStore(run.parent / "data" / "clean" / "train")
    pairs = {(pair.source, pair.tree, pair.target) for pair in map(store.pair, range(len(store)))}
    assert pairs <= set(rooted(3000, 1)) and len(pairs) > 1000


def test_a_resumed_run_is_the_undisturbed_one(corpus, tmp_path):
    quick = ["trainer.validate_every=2", f"data.prepared={tmp_path}/data", STRUCTURED, *SHORT_VALIDATION]
    weights = []
    for name, steps in (("whole", (4,)), ("cut", (2, 4))):
        for last in steps:
            more = (*quick, f"folder={tmp_path}/{name}", f"trainer.max_steps={last}", "trainer.keep_last=5")
            train(composed_settings(overrides(corpus, tmp_path, *more)))
        weights.append(load_file(tmp_path / name / "step_000004" / "model.safetensors"))
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())
    assert weights[0]["encoder.layers.0.attention.mixer.bias_HUD"].abs().max() > 0
