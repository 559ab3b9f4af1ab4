"""Files in and out: only texts change, in every format, whatever is in them, and nothing that was done is lost."""

import bz2
import gzip
import logging
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt.inference.files.passage import FileSettings
from mt.inference.files.table import FILE_FORMATS, file_format
from mt.inference.files.translate_file import translate_file
from tests.inference.files.samples import MARKDOWN, PO, SAMPLES, SETTINGS, SRT, passages, translate_in_capitals

VARIANTS = {
    "as it is": str.encode,
    "of windows": lambda text: text.replace("\n", "\r\n").encode(),
    "with a byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "without an end": lambda text: text.rstrip().encode(),
}
SAYINGS = (
    *(
        "]]>",
        "</target>",
        "**",
        "a | b",
        "- x",
        "# x",
        "1. x",
        "> q",
        "```",
        "\\",
        '"',
        "<b>",
        "&",
        "&lt;",
        "00:01 -->",
    ),
    *("<script>", "-->", "\u2028", "{q1}", "<q1>", "<br q1/>", "", " ", "[x]: y", "|---|", "{n, plural, one {x}}", "*"),
)
HOSTILE = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(SAYINGS)


@pytest.fixture(params=[f"{sample}, {variant}" for sample in SAMPLES for variant in VARIANTS])
def case(request, tmp_path):
    sample, variant = request.param.split(", ")
    kind, text = SAMPLES[sample]
    content = VARIANTS[variant](text)
    path = tmp_path / "in"
    path.write_bytes(content)
    return kind, path, content


def run(kind, path, translate=translate_in_capitals, **more):
    report = translate_file(path, path.with_name("out"), translate, format=kind, **{"settings": SETTINGS} | more)
    return report, path.with_name("out").read_bytes()


def without_texts(kind, content):
    """The content without what a translation may change: texts, and marks of a review."""
    file = file_format(kind)
    content, _ = file.decoded(content, "")
    found = file.passages(content, "", FileSettings(replace="all", review=False))
    edits = sorted(edit for one in found for edit in one.put([""] * len(one.lines)))
    kept = [content[first.end : second.start] for first, second in pairwise(edits)]
    return [content[: edits[0].start], *kept, content[edits[-1].end :]], len(edits)


def test_texts_change_and_nothing_else(case):
    kind, path, content = case
    report, out = run(kind, path)
    assert report.num_texts > 0 and not report.notes and out != content
    if FILE_FORMATS[kind].replaces:
        assert without_texts(kind, out) == without_texts(kind, content)
        assert out.lower().split() != out.split()


def test_without_a_new_text_a_file_is_itself(case):
    kind, path, content = case
    if FILE_FORMATS[kind].replaces:
        report, out = run(kind, path, lambda texts, number: [text.line for text in texts])
        assert out == content
    else:
        path.write_bytes(run(kind, path)[1])
        report, out = run(kind, path)
        assert (report.num_texts, out) == (0, path.read_bytes())
        assert report.num_left > 0


def test_lines_to_translate_have_no_line_end(case):
    kind, _, content = case
    lines = [line for one in passages(kind, content) for line in one.lines]
    assert lines and all(len(line.splitlines()) < 2 for line in lines)


@pytest.mark.parametrize("sample", SAMPLES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_model_says_the_file_stays_what_it_was(sample, data, tmp_path):
    kind, text = SAMPLES[sample]
    path = tmp_path / "in"
    path.write_text(text, "utf-8")
    report, out = run(kind, path, lambda texts, number: [data.draw(HOSTILE) for _ in texts])
    file = file_format(kind)
    assert file.frame(out, "", SETTINGS) == file.frame(text.encode(), "", SETTINGS)
    assert len(report.notes) <= len(passages(kind, text))


def test_a_text_that_would_break_the_file_stays_as_it_was(tmp_path):
    path = tmp_path / "in"
    path.write_text("One\n\nTwo\n\nThree\n")
    answers = {"One": "Eins", "Two": "Zwei `offen", "Three": "x <div>"}
    report, out = run("md", path, lambda texts, number: [answers[text.line] for text in texts])
    assert out.decode() == "Eins\n\nZwei \\`offen\n\nThree\n" or out.decode().endswith("\n\nx \\<div>\n")
    path.write_text(PO.replace("UTF-8", "ISO-8859-1"), "latin-1")
    report, out = run("po", path, lambda texts, number: ["漢字" if "Open" in text.line else "ä" for text in texts])
    assert len(report.notes) == 1 and report.notes[0].startswith("line 18: left as it was, its translation cannot be")
    assert "ä".encode("latin-1") in out


@pytest.mark.parametrize(("pack", "unpack"), [(gzip.compress, gzip.decompress), (bz2.compress, bz2.decompress)])
def test_a_compressed_file_stays_compressed(pack, unpack, tmp_path):
    path = tmp_path / "a.srt.packed"
    path.write_bytes(pack(SRT.encode()))
    assert unpack(run("srt", path)[1]).startswith(b"1\n00:00:01,000 --> 00:00:02,500\nI HAVE NOT BAKED\n")


def test_a_format_is_known_by_the_ending(tmp_path):
    for name, content in (("a.md", MARKDOWN), ("de.PO", PO), ("b.srt.gz", SRT)):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content.encode()) if name.endswith("gz") else content.encode())
        report = translate_file(path, tmp_path / "out", translate_in_capitals, settings=SETTINGS)
        assert report.format in ("Markdown", "PO", "SubRip")
    (tmp_path / "a.xyz").write_text("x")
    with pytest.raises(ValueError, match=r"a.xyz: its format is unknown by its ending: name it, one of: txt, po, "):
        translate_file(tmp_path / "a.xyz", tmp_path / "out", translate_in_capitals)
    with pytest.raises(ValueError, match=r"format \(doc\) must be one of: txt, po, xliff, tmx, srt, vtt, md, html"):
        translate_file(tmp_path / "a.md", tmp_path / "out", translate_in_capitals, format="doc")


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("txt", b"ok\n\xff\xfe x\n", r"FILE: not UTF-8 at line 2, byte 3 \(0xff\)"),
        ("txt", "x".encode("utf-16"), r"FILE: must be UTF-8, this is UTF-16"),
        ("po", b'msgid "a"\nmsgstr no\n', r"FILE line 2: not a PO entry: msgstr no"),
        ("po", b'msgid "a"\nmsgid "b"\n', r"FILE line 2: not a PO entry"),
        ("xliff", b"<xliff>\n<file></xliff>", r"FILE: not well-formed XML: mismatched tag: line 2, column"),
        ("xliff", b'<xliff srcLang="fr" trgLang="de"><segment/></xliff>', r"FILE: must be en > de, it is fr > de"),
        ("tmx", b'<tmx><tu><tuv xml:lang="fr"><seg>x</seg></tuv></tu></tmx>', r"FILE: no unit has a variant in en"),
        ("tmx", b'<!DOCTYPE t [<!ENTITY a "b">]><tmx/>', r"FILE: the entity a is declared"),
        ("srt", b"1\n00:00:01,000 -> 00:00:02\nx\n", r"FILE: has no timing, as 00:00:01,000 --> 00:00:02,500"),
        ("srt", b"1\n00:00:01,000 --> later\nx\n", r"FILE line 2: must be a timing, .*: 00:00:01,000 --> later"),
        ("srt", SRT.replace("\n\n2\n", "\n2\n").encode(), r"FILE line 5: a timing inside the text of a cue"),
        ("vtt", SRT.encode(), r"FILE line 1: must be WEBVTT: 1"),
        ("md", b"a\nb\xe4\n", r"FILE: not UTF-8 at line 2, byte 3 \(0xe4\)"),
        ("html", b'<meta charset="shift_jis"><p>\n\x82', r"FILE: not SHIFT_JIS, its charset, at line 2"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(kind, content, message):
    with pytest.raises(ValueError, match=message) as refused:
        passages(kind, content)
    assert "\n" not in str(refused.value)


class Killed(Exception):
    """Ends a translation as a kill does."""


@pytest.mark.slow  # all 2,000, twice
def test_a_file_of_2000_strings_shows_progress_and_resumes_where_it_was_killed(tmp_path, caplog):
    header = PO.split("\n\n")[0]
    entries = [f'msgid "string number {n}"\nmsgstr ""\n' for n in range(2000)]
    path = tmp_path / "in"
    path.write_text("\n".join([header + "\n", *entries]))
    seen, asked = [], []

    def dying(texts, number):
        for place, text in enumerate(texts):
            asked.append(number + place)
            if number + place == 1234:
                raise Killed
            yield text.line.upper()

    def living(texts, number):
        asked.extend(range(number, number + len(texts)))
        return [text.line.upper() for text in texts]

    at_once = run("po", path, living)[1]
    asked.clear()
    with pytest.raises(Killed):
        run("po", path, dying, made_by="the same")
    assert (path.with_name("out.lines.unfinished")).read_text().count("\n") == 1234
    assert path.with_name("out").read_bytes() == at_once  # the older one, whole
    caplog.set_level(logging.INFO)
    _, out = run("po", path, living, made_by="the same", on_progress=lambda done, total: seen.append((done, total)))
    assert out == at_once and "out: resumes after text 1234" in caplog.text
    assert sorted(asked) == sorted([*range(2000), 1234])
    assert seen[0] == (0, 2000) and seen[-1] == (2000, 2000) and (1235, 2000) in seen
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in", "out"]

    with pytest.raises(Killed):
        run("po", path, dying, made_by="the same")
    run("po", path, living, made_by="another model")
    assert asked[-2000:] == list(range(2000))


def test_two_processes_cannot_translate_to_one_file(tmp_path):
    path = tmp_path / "in"
    path.write_text("one\ntwo\n")

    def other(texts, number):
        run("txt", path, made_by="x")
        return translate_in_capitals(texts)

    with pytest.raises(ValueError, match=r"out.lines .*another process|another process .*out.lines"):
        run("txt", path, other, made_by="x")


def test_only_texts_with_letters_are_translated(tmp_path):
    path = tmp_path / "in"
    path.write_text("42\n%s: {x}\n<br/>\n…\nword\n")
    report, out = run("txt", path)
    assert (report.num_texts, out) == (1, b"42\n%s: {x}\n<br/>\n\xe2\x80\xa6\nWORD\n")
