"""Subtitles: a sentence over several cues is one text, and comes back in as many cues."""

import pytest

from mt.inference.files.passage import FileSettings
from mt.inference.files.subtitles import broken
from tests.inference.files.samples import SRT, VTT, lines_of, passages


def srt(*cues):
    """Cues of (start, end, text), in seconds."""
    parts = [f"{n}\n00:00:{a:02},000 --> 00:00:{b:02},000\n{text}\n" for n, (a, b, text) in enumerate(cues, start=1)]
    return "\n".join(parts)


def put(kind, content, *texts):
    """The file with these translations of its lines."""
    content, texts = content.encode(), list(texts)
    edits = []
    for one in passages(kind, content):
        of_passage, texts = texts[: len(one.lines)], texts[len(one.lines) :]
        edits += one.put(of_passage)
    for edit in sorted(edits, reverse=True):
        content = content[: edit.start] + edit.new + content[edit.end :]
    return content.decode()


def cue_texts(content):
    return ["\n".join(block.splitlines()[2:]) for block in content.split("\n\n") if "-->" in block]


def test_a_sentence_over_cues_is_one_line():
    assert lines_of("srt", SRT)[:2] == [
        "I have not baked <br q1/> <i>the small cakes.</i> The child <br q2/> has no shirt & 3 < 5.",
        "Dad read the book.",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1, 2, "It is over."), (2, 3, "really")),
        ((1, 2, "It is over!”"), (2, 3, "really")),
        ((1, 2, "no end"), (5, 6, "after a pause")),
        ((1, 2, "no end"), (2, 3, "- Somebody else")),
        ((1, 2, "no end"), (2, 3, "[DOOR SLAMS]")),
        ((1, 2, "no end"), (2, 3, "MARY: Hello")),
        ((1, 2, "It is…"), (2, 3, "Well")),
        ((1, 2, "♪ la la ♪"), (2, 3, "no end")),
        ((1, 2, "是的。"), (2, 3, "no end")),
    ],
)
def test_what_ends_a_sentence(first, second):
    assert len(passages("srt", srt(first, second))) == 2


@pytest.mark.parametrize("texts", [("I think", "it is over"), ("It is…", "…over"), ("It is,", "Mary")])
def test_what_does_not(texts):
    assert len(passages("srt", srt((1, 2, texts[0]), (2, 3, texts[1])))) == 1


def test_the_translation_is_divided_where_its_words_say():
    content = srt((1, 2, "I have not baked"), (2, 3, "the small cakes."))
    out = put("srt", content, "Ich habe <br q1/> die kleinen Kuchen nicht gebacken.")
    assert cue_texts(out) == ["Ich habe", "die kleinen Kuchen nicht gebacken."]


def test_no_cue_is_left_empty_while_there_are_words():
    content = srt((1, 2, "I have not baked"), (2, 3, "the small cakes"), (3, 4, "today."))
    out = put("srt", content, "<br q1/> <br q2/> Ich habe heute die <i>kleinen Kuchen</i> nicht gebacken.")
    texts = cue_texts(out)
    assert all(texts) and " ".join(texts) == "Ich habe heute die <i>kleinen Kuchen</i> nicht gebacken."
    assert all(text.count("<i>") == text.count("</i>") for text in texts)
    assert cue_texts(put("srt", content, "Nein. <br q1/> <br q2/>")) == ["Nein.", "\u00a0", "\u00a0"]


def test_lines_are_broken_near_the_middle_and_rather_after_a_mark():
    assert broken("short enough", 42) == ["short enough"]
    assert broken("this is a line that is longer, but it is not too long", 42) == [
        "this is a line that is longer,",
        "but it is not too long",
    ]
    lines = broken("<i>" + "word " * 30 + "</i>", 42)
    assert len(lines) == 4 and max(map(len, lines)) < 50
    assert broken("x" * 100, 42) == ["x" * 100]


def test_voices_commands_and_times_stay_around_and_inside_the_text():
    assert lines_of("vtt", VTT) == ["Have you {q1}seen Tom &amp; the small <br q2/> cakes?"]
    out = put("vtt", VTT, "Hast {q1}du Tom &amp; <br q2/> die Kuchen gesehen?")
    assert "<v Mary>Hast <00:00:01.500>du Tom &amp;</v>\n\n00:02.600" in out
    assert out.endswith("<v Mary>die Kuchen gesehen?</v>\n")
    assert "{\\an8}X" in put("srt", SRT, "I <br q1/> am <br q2/> X", "a", "b", "1984")


def test_speakers_of_one_cue_are_translated_separately():
    out = put("srt", SRT, "a <br q1/> b <br q2/> c", "Papa liest.", "Die <b>Frau</b>!", "1984")
    assert "- Papa liest.\n- Die <b>Frau</b>!\n" in out


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_stays_utf_16(encoding):
    content = ("\ufeff" + SRT).encode(encoding)
    assert [one.lines for one in passages("srt", content)] == [one.lines for one in passages("srt", SRT)]
    assert FileSettings().replace == "none"
