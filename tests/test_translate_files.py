"""`translate --format` with a model that has learned its corpus: sentences over cues, placeholders, kills, mistakes."""

import logging

import pytest

from mt.translate import main
from tests.children import Fork, wait_for
from tests.conftest import reversed_pairs

SRT = """1
00:00:01,000 --> 00:00:02,000
eins zwei

2
00:00:02,000 --> 00:00:03,000
<i>drei vier</i>
"""
PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "eins %s zwei"\nmsgstr ""\n'


@pytest.fixture
def translate(trained_run, tmp_path):
    """(format, content, flags) -> the new content."""

    def call(kind, content, *flags):
        (tmp_path / "in").write_text(content, "utf-8")
        files = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--format", kind]
        assert main(["--checkpoint", str(trained_run), "--device", "cpu", *files, *flags]) == 0
        return (tmp_path / "out").read_text("utf-8")

    return call


def test_a_sentence_over_cues_is_translated_whole_and_divided_again(translate):
    """The model turns the order of all words around, so that the first cue gets what the second one said."""
    out = translate("srt", SRT)
    assert out == SRT.replace("eins zwei", "four three").replace("drei vier", "two one")


def test_messages_of_a_program(translate, caplog):
    caplog.set_level(logging.INFO)
    out = translate("po", PO)
    before, _, translation = out.partition('\n#, fuzzy\nmsgid "eins %s zwei"\nmsgstr ')
    assert before == PO.partition('\nmsgid "eins')[0] and sorted(translation.strip('"\n').split()) == [
        "%s",
        "one",
        "two",
    ]
    assert "out: PO, 1 texts translated" in caplog.text
    assert translate("po", PO, "--no-review-mark").count("fuzzy") == 0


def test_each_sentence_of_a_paragraph_is_translated_by_itself(translate):
    assert translate("md", "# eins *zwei*\n\n`code` drei vier. Fünf sechs.\n").startswith("# *two* one\n\n")
    assert translate("txt", "eins zwei\n\nacht\n") == "two one\n\neight\n"


def test_languages_are_those_of_the_checkpoint(translate):
    memory = '<tmx><tu><tuv xml:lang="de"><seg>eins</seg></tuv></tu></tmx>'
    assert '<tuv xml:lang="en" creationtool="mt-trainer"><seg>one</seg></tuv>' in translate("tmx", memory)
    assert '<tuv xml:lang="fr"' in translate("tmx", memory, "--target-language", "fr")
    with pytest.raises(ValueError, match="in: no unit has a variant in es"):
        translate("tmx", memory, "--source-language", "es")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n-best", "2"], r"--n-best has no place in a file of --format \(txt\)"),
        (["--document"], r"--document has no place in a file of --format"),
        (["--json"], r"--json has no place in a file of --format"),
        (["eins"], r"give one of them, not both"),
    ],
)
def test_what_has_no_place_in_a_file_is_refused(translate, flags, message):
    with pytest.raises(ValueError, match=message):
        translate("txt", "eins\n", *flags)


def test_mistakes_are_refused_before_the_model_is_loaded(tmp_path):
    (tmp_path / "in").write_text("x")
    with pytest.raises(ValueError, match="--replace has no effect without --format"):
        main(["--replace", "all", "eins"])
    with pytest.raises(ValueError, match="--format needs files as --input and --output"):
        main(["--format", "txt", "--input", str(tmp_path / "in")])
    with pytest.raises(ValueError, match=r"format \(doc\) must be one of: txt"):
        main(["--format", "doc", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")])


def test_a_file_of_a_format_without_the_flag_is_pointed_out(trained_run, tmp_path, caplog):
    (tmp_path / "a.srt").write_text("eins\n")
    files = ["--input", str(tmp_path / "a.srt"), "--output", str(tmp_path / "out")]
    main(["--checkpoint", str(trained_run), "--device", "cpu", *files])
    assert "a.srt: every line of it is translated; --format srt translates only its texts" in caplog.text


def test_a_killed_translation_is_resumed(trained_run, tmp_path, caplog):
    lines = [f'msgid "{line} {n}"\nmsgstr ""\n' for n, line in enumerate(reversed_pairs(400, 5)[0])]
    (tmp_path / "in").write_text("\n".join([PO, *lines]), "utf-8")
    flags = ["--checkpoint", str(trained_run), "--input", str(tmp_path / "in"), "--format", "po", "--beam-size", "1"]
    flags += ["--workers", "1"]
    main([*flags, "--output", str(tmp_path / "at once")])
    unfinished = tmp_path / "out.lines.unfinished"
    process = Fork(["-m", "mt.translate", *flags, "--output", str(tmp_path / "out")], text=True)
    wait_for(lambda: unfinished.exists() and unfinished.stat().st_size, process)
    process.kill()
    process.wait()
    done = unfinished.read_bytes().count(b"\n")
    assert 0 < done < 401
    caplog.set_level(logging.INFO)
    main([*flags, "--output", str(tmp_path / "out")])
    assert f"out: resumes after text {done}" in caplog.text
    assert (tmp_path / "out").read_bytes() == (tmp_path / "at once").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["at once", "in", "out"]
