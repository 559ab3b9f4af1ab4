"""A tag before each line, for a model that was trained with tags: also before the parts of a split one, and no word."""

import json

import pytest

from mt.inference.aligner import Aligner
from mt.inference.translator import Translator
from mt.train import main as train
from mt.translate import main as translate
from tests.conftest import composed_settings, train_overrides

LINE = "eins zwei drei vier fünf sechs acht eins"


@pytest.fixture(scope="module")
def tagged_run(corpus_folder, tmp_path_factory):
    """A model that was trained, for a moment, on two sources with tags."""
    work = tmp_path_factory.mktemp("tagged")
    settings = composed_settings(
        [*train_overrides(corpus_folder, work), "tokenizer.vocab_size=42", "trainer.max_steps=4"]
    )
    corpus = settings["data"]["train"]
    settings["data"]["train"] = {"_target_": "mt.data.sources.Sources"} | {
        name: {"_target_": "mt.data.sources.Source", "tag": tag, "corpus": corpus}
        for name, tag in (("english", "<2en>"), ("more", "<bt>"))
    }
    train(settings)
    return work / "run"


def test_a_tag_is_put_before_a_line(tagged_run):
    translator = Translator.load(tagged_run, device="cpu")
    (with_flag,) = translator.translate([LINE], tag="<2en>")
    (by_hand,) = translator.translate([f"<2en> {LINE}"])
    (without,) = translator.translate([LINE])
    assert with_flag.source == LINE and with_flag.segments == (LINE,)
    assert with_flag.candidates == by_hand.candidates
    assert with_flag.score != without.score


def test_each_part_of_a_split_line_has_it_and_still_fits(tagged_run, monkeypatch):
    translator = Translator.load(tagged_run, device="cpu")
    searched, search_ids = [], translator.search_ids
    monkeypatch.setattr(translator, "search_ids", lambda ids, *rest: searched.extend(ids) or search_ids(ids, *rest))
    tag = translator.tokenizers.source.encode("<2en>")[0]
    (translation,) = translator.translate([LINE], tag="<2en>", max_pieces=4)
    assert len(searched) == len(translation.segments) > 1
    assert all(ids[0] == tag and len(ids) <= 4 for ids in searched)
    assert " ".join(translation.segments) == LINE


@pytest.mark.parametrize("max_pieces", [200, 4])
def test_it_is_no_word_in_an_alignment(tagged_run, max_pieces):
    aligner = Aligner.load(tagged_run, device="cpu")
    translations = list(aligner.translator.translate([LINE, "  ", "acht"], tag="<2en>", max_pieces=max_pieces))
    links = aligner.word_links(translations)
    for translation, of_line in zip(translations, links, strict=True):
        assert {source for source, _ in of_line} <= set(range(len(translation.source.split())))
    assert links[1] == []
    assert [source for source, _ in links[2]] == [0] * len(translations[2].text.split())


def test_the_command_takes_it(tagged_run, capsys):
    assert translate(["--checkpoint", str(tagged_run), "--device", "cpu", "--tag", "<bt>", "--json", LINE]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == LINE


def test_another_tag_is_refused_with_those_that_there_are(tagged_run, trained_run):
    flags = ["--device", "cpu", "--tag", "<2em>", LINE]
    message = r"^tag \(<2em>\) must be a symbol of the model's tokenizer, there is <2en>, <bt>; did you mean <2en>\?$"
    with pytest.raises(ValueError, match=message):
        translate(["--checkpoint", str(tagged_run), *flags])
    with pytest.raises(ValueError, match=r"tokenizer, it was trained without any$"):
        translate(["--checkpoint", str(trained_run), *flags])


def test_it_is_no_word_to_markup(tagged_run, capsys):
    plain = ["--checkpoint", str(tagged_run), "--device", "cpu", "--tag", "<2en>", "--max-length", "6"]
    translate([*plain, "--markup", "--json", "<b>eins zwei</b> drei"])
    record = json.loads(capsys.readouterr().out)
    assert record["plain_source"] == "eins zwei drei" and record["source"] == "<b>eins zwei</b> drei"
    assert record["translations"][0]["text"].count("<b>") == record["translations"][0]["text"].count("</b>") == 1
