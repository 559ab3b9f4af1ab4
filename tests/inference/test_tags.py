"""A tag before each line, for a model that was trained with tags: also before the parts of a split one, and no word."""

import json
import shutil

import pytest
import yaml

from mt.align import main as align
from mt.data.formats.text_files import TextFiles
from mt.data.sources import Source, Sources, reads_untagged
from mt.evaluate import main as evaluate
from mt.inference.aligner import Aligner
from mt.inference.request import Request, requests
from mt.inference.translator import Translator
from mt.train import main as train
from mt.translate import main as translate
from tests.conftest import composed_settings, train_overrides

LINE = "eins zwei drei vier fünf sechs acht eins"


def trained(corpus_folder, work, tags, *, held_out_tag, **changes):
    """A run trained for a moment on a source for each of the tags, and measured by lines with `held_out_tag`."""
    settings = composed_settings(
        [
            *train_overrides(corpus_folder, work),
            "tokenizer.vocab_size=42",
            "trainer.max_steps=4",
            "validation.attention_lines=0",
        ]
    )
    data = settings["data"]

    def source(corpus, tag):
        return {"_target_": "mt.data.sources.Source", "tag": tag, "corpus": corpus}

    names = [f"source-{number}" for number in range(len(tags))]
    train_of = dict(zip(names, (source(data["train"], tag) for tag in tags), strict=True))
    data["train"] = {"_target_": "mt.data.sources.Sources", **train_of}
    data["valid"] = source(data["valid"], held_out_tag)
    data["tests"] = {name: source(test, held_out_tag) for name, test in data["tests"].items()}
    train(settings | changes)
    return work / "run"


@pytest.fixture(scope="module")
def tagged_run(corpus_folder, tmp_path_factory):
    """A model that was trained on two sources, both with tags."""
    return trained(corpus_folder, tmp_path_factory.mktemp("tagged"), ["<2en>", "<bt>"], held_out_tag="<2en>")


@pytest.fixture(scope="module")
def partly_tagged_run(corpus_folder, tmp_path_factory):
    """A model that was trained on a source without a tag, and one with it."""
    return trained(corpus_folder, tmp_path_factory.mktemp("partly"), [None, "<bt>"], held_out_tag=None)


@pytest.fixture
def earlier_run(tagged_run, tmp_path):
    """The tagged run as a version wrote it that did not record on what a model was trained."""
    step = tmp_path / "step"
    shutil.copytree((tagged_run / "best").resolve(), step)
    card = yaml.safe_load((step / "model.yaml").read_text())
    assert card.pop("reads_untagged") is False
    card["format"] = 1
    (step / "model.yaml").write_text(yaml.safe_dump(card))
    (step / "manifest.json").unlink()
    return step


def test_a_tag_is_put_before_a_line(tagged_run):
    translator = Translator.load(tagged_run, device="cpu")
    (with_flag,) = translator.translate([Request(LINE, tag="<2en>")])
    (by_hand,) = translator.translate([f"<2en> {LINE}"])
    (another,) = translator.translate([Request(LINE, tag="<bt>")])
    assert with_flag.source == LINE and with_flag.segments == (LINE,)
    assert with_flag.candidates == by_hand.candidates
    assert with_flag.score != another.score


@pytest.fixture
def files(tmp_path):
    """A source, its references and links; the second line is blank, the third has a tag of its own."""
    for name, lines in {
        "source": [LINE, "", "<2en> acht", "zwei drei"],
        "plain": [LINE, "", "acht", "zwei drei"],
        "reference": ["one eight", "", "eight", "three two"],
        "links": ["0-0 1-1", "", "0-0", "0-1 1-0"],
    }.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return tmp_path


REFUSED = r"^line 1 has no tag, and the model was trained only on lines with a tag: --tag must be one of <2en>, <bt>$"


def commands(run, files):
    """Every command that gives lines to a model, with its arguments but for the tag."""
    source, reference, links = (str(files / name) for name in ("plain", "reference", "links"))
    of, pair = ["--checkpoint", str(run), "--device", "cpu"], ["--source", source, "--target", reference]
    return {
        "translate": (translate, [*of, "--input", source, "--output", str(files / "out")]),
        "translate, workers": (translate, [*of, "--input", source, "--output", str(files / "out2"), "--workers", "1"]),
        "translate, markup": (translate, [*of, "--markup", "--alignment", "--json", LINE]),
        "evaluate": (evaluate, [*of, "--source", source, "--reference", reference]),
        "align": (align, [*of, *pair, "--formats", "json,pharaoh", "--output", str(files / "aligned")]),
        "align, own": (align, [*of, "--source", source, "--formats", "pharaoh", "--output", str(files / "own")]),
        "align choose": (align, ["choose", *of, *pair, "--gold", links, "--dry-run"]),
        "align head": (align, ["head", *of, *pair, "--links", links, "--steps", "2", "--output", str(files / "head")]),
    }


def test_a_line_without_a_tag_is_refused_by_a_model_that_knows_none_with_the_tags_there_are(tagged_run, files, capsys):
    for name, (command, arguments) in commands(tagged_run, files).items():
        with pytest.raises(ValueError, match=REFUSED):
            command(arguments)
        with pytest.raises(ValueError, match=r"tag \(<2em>\) must be a symbol.*did you mean <2en>\?$"):
            command([*arguments, "--tag", "<2em>"])
        assert command([*arguments, "--tag", "<2en>"]) == 0, name
    assert sorted(path.name for path in files.iterdir() if path.is_dir()) == ["aligned", "head", "own"]


def test_lines_may_have_their_tags_in_their_text(tagged_run, files):
    """Each its own; blank lines need none; the first line without one is named."""
    translator = Translator.load(tagged_run, device="cpu")
    lines = [f"<2en> {LINE}", "", "  ", "<bt> acht", "zwei"]
    assert len(list(translator.translate(lines[:4]))) == 4
    with pytest.raises(ValueError, match=r"^line 15 has no tag"):
        list(translator.translate(lines, first_line=10))
    with pytest.raises(ValueError, match=r"^line 5 has no tag"):
        list(translator.translate(lines, window=2))


def test_a_model_that_knows_lines_without_a_tag_takes_them(partly_tagged_run, trained_run, files, caplog):
    for run in (partly_tagged_run, trained_run):
        list(Translator.load(run, device="cpu").translate([LINE]))
        assert Aligner.load(run, device="cpu").attention([LINE], ["one"])
    assert "tag" not in caplog.text


def test_of_an_earlier_checkpoint_it_is_said_once(earlier_run, caplog):
    translator = Translator.load(earlier_run, device="cpu")
    list(translator.translate([f"<bt> {LINE}", LINE, LINE]))
    list(translator.translate([LINE]))
    assert [record.message for record in caplog.records] == [
        "line 2 has no tag; if the model was trained with tags, --tag can be one of <2en>, <bt>"
    ]


def test_a_set_to_measure_by_without_tags_is_refused_before_training(corpus_folder, tmp_path):
    with pytest.raises(ValueError, match=r"^data, valid: line 1 has no tag, .* must begin with one of <2en>$"):
        trained(corpus_folder, tmp_path, ["<2en>"], held_out_tag=None)
    assert not list((tmp_path / "run").glob("step_*"))


def test_what_is_recorded_depends_on_the_declared_tags_and_on_those_in_the_text(corpus_folder):
    corpus = TextFiles(source=corpus_folder / "train.de", target=corpus_folder / "train.en")
    tagged, plain = Source(corpus=corpus, tag="<2en>"), Source(corpus=corpus)
    lines = ["<2en> eins", "zwei"]
    assert reads_untagged(Sources(a=tagged, b=tagged), lines, ["<2en>"]) is False
    assert reads_untagged(Sources(a=tagged, b=plain), lines, ["<2en>"]) is True
    assert reads_untagged(plain, lines, ["<2en>"]) is True
    assert reads_untagged(plain, lines[:1], ["<2en>"]) is None  # tags in the text, as far as one sees
    assert reads_untagged(plain, lines, []) is True


@pytest.mark.parametrize("targets", [["one two", "eight"], None], ids=["given", "own"])
def test_an_alignment_has_no_column_for_a_tag(tagged_run, targets):
    aligner = Aligner.load(tagged_run, device="cpu")
    sources = ["eins zwei drei", "acht"]
    by_hand = aligner.attention([f"<2en> {source}" for source in sources], targets, norms=True)
    for raw, full in zip(aligner.attention(sources, targets, tag="<2en>", norms=True), by_hand, strict=True):
        assert raw.source_pieces == full.source_pieces[1:] and full.source_pieces[0] == "<2en>"
        assert (raw.weights_LHTS == full.weights_LHTS[..., 1:]).all()
        assert (raw.norms_LHS == full.norms_LHS[..., 1:]).all()
    first, _ = aligner.align(sources, targets, tag="<2en>")
    assert first.weights_TS.sum(axis=1) == pytest.approx(1) and "<2en>" not in first.source_pieces


def test_align_writes_the_links_of_words_of_the_line(tagged_run, files):
    command, arguments = commands(tagged_run, files)["align"]
    assert command([*arguments, "--tag", "<bt>"]) == 0
    records = [json.loads(line) for line in (files / "aligned" / "alignments.jsonl").read_text().splitlines()]
    assert [record["source"] for record in records] == [line.split() for line in (LINE, "", "acht", "zwei drei")]
    assert json.loads((files / "aligned" / "about.json").read_text())["tag"] == "<bt>"


def test_each_part_of_a_split_line_has_it_and_still_fits(tagged_run, monkeypatch):
    translator = Translator.load(tagged_run, device="cpu")
    searched, search_ids = [], translator.search_ids
    monkeypatch.setattr(
        translator, "search_ids", lambda sources, *rest: searched.extend(sources) or search_ids(sources, *rest)
    )
    tag = translator.tokenizers.source.encode("<2en>")[0]
    (translation,) = translator.translate([Request(LINE, tag="<2en>")], max_pieces=4)
    assert len(searched) == len(translation.segments) > 1
    assert all(ids[0] == tag and len(ids) <= 4 + 1 for source in searched for ids in source.pieces())  # with EOS
    assert " ".join(translation.segments) == LINE


@pytest.mark.parametrize("max_pieces", [200, 4])
def test_it_is_no_word_in_an_alignment(tagged_run, max_pieces):
    aligner = Aligner.load(tagged_run, device="cpu")
    asked = requests([LINE, "  ", "acht"], tag="<2en>")
    translations = list(aligner.translator.translate(asked, max_pieces=max_pieces))
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
