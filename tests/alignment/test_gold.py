"""Links that people drew, in every format."""

import gzip

import pytest

from mt.alignment.gold import Gold, check_gold, from_blinker, from_lines, from_pharaoh
from mt.data.formats.lines import read_lines
from mt.evaluation.alignment_input import read_gold

TWO = [
    Gold(frozenset({(0, 0)}), frozenset({(0, 0), (1, 2)})),
    Gold(frozenset({(2, 1)}), frozenset({(2, 1)})),
]


def test_sure_links_are_possible_too():
    gold = from_pharaoh("0-0 1?2  1-3\n")
    assert gold == Gold(frozenset({(0, 0), (1, 3)}), frozenset({(0, 0), (1, 2), (1, 3)}))
    assert from_pharaoh("") == Gold(frozenset(), frozenset())


@pytest.mark.parametrize(
    "lines",
    [
        ["0-0 1?2", "2-1"],
        ["0-0 1p2", "2-1"],
        ["1 1 1", "0001 2 3 P", "2 3 2 S 0.9"],
        ["", "2 3 2 S", "1 1 1 S", "1 2 3 P"],
    ],
)
def test_pharaoh_and_naacl_are_reported_apart(lines):
    assert from_lines(lines, 2) == TWO


def test_pharaoh_from_one():
    assert from_lines(["1-1 2?3", "3-2"], 2, base=1) == TWO
    with pytest.raises(ValueError, match=r"line 2: link \(0-1\) .* from 1"):
        from_lines(["1-1", "0-1"], 2, base=1)


def test_blinker_files(tmp_path):
    (tmp_path / "samp1.SentPair0").write_text("1 1\n0 2\n3 0\n")
    (tmp_path / "samp1.SentPair1").write_text("3 2\n\n")
    (tmp_path / "README").write_text("not a pair")
    sure = [Gold.of(set(gold.sure), set()) for gold in TWO]
    assert from_blinker(tmp_path, 2, read=read_lines) == sure
    with pytest.raises(ValueError, match="SentPairN for each N from 0 to 2, it holds 2"):
        from_blinker(tmp_path, 3, read=read_lines)
    (tmp_path / "samp1.SentPair1").write_text("3-2\n")
    with pytest.raises(ValueError, match=r"SentPair1: \(3-2\)"):
        from_blinker(tmp_path, 2, read=read_lines)


def test_blinker_files_are_read_as_all_text_is(tmp_path):
    (tmp_path / "samp1.SentPair0").write_bytes(b"\xef\xbb\xbf1 1\r\n3 0\r\n")
    (tmp_path / "samp1.SentPair1").write_bytes(gzip.compress(b"3 2\n"))
    sentences = ["a b c", "a b c"]
    assert read_gold(str(tmp_path), sentences, sentences) == [Gold.of({(0, 0)}, set()), Gold.of({(2, 1)}, set())]
    (tmp_path / "samp1.SentPair1").write_bytes("3 2\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"SentPair1.*UTF-16") as refused:
        read_gold(str(tmp_path), sentences, sentences)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("entry", ["1", "1-", "a-b", "1:2", "-1-2", "1-2-3"])
def test_what_is_no_link_is_quoted(entry):
    with pytest.raises(ValueError, match="must be i-j"):
        from_pharaoh(f"0-0 {entry}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0-0 1+2"], r"line 1: link \(1\+2\)"),
        (["-1-0"], "line 1: link"),
        (["0-0", "0-0"], "2 lines of links for 1 sentences"),
        (["1 1 1", "1 0 1 S"], r"line 2: \(1 0 1 S\) must be sentence, source and target position, all from 1"),
        (["1 1 1", "2 1 1 S"], r"line 2: sentence \(2\) must be at most 1"),
        (["1 1 1", "1 1 1 X"], r"line 2: \(1 1 1 X\)"),
    ],
)
def test_what_is_wrong_is_named(lines, message):
    with pytest.raises(ValueError, match=message):
        from_lines(lines, 1)


def test_links_lie_within_their_pair():
    check_gold(from_pharaoh("1-2 0?0"), 2, 3)
    for line in ("2-0", "0?3"):
        with pytest.raises(ValueError, match="2 source and 3 target words"):
            check_gold(from_pharaoh(line), 2, 3)


@pytest.mark.parametrize(
    ("lines", "kept"),
    [(["0-0 1?2", "2-1"], 2), (["0-0 1?2"], 1), (["1 1 1", "1 2 3 P", "2 3 2 S"], 2), (["1 2 3 P", "1 1 1"], 1)],
    ids=["Pharaoh", "less", "NAACL", "more links than sentences"],
)
def test_the_beginning_of_a_corpus_ends_with_the_last_sentence_that_has_links(lines, kept):
    assert from_lines(lines, 9, is_beginning=True) == TWO[:kept]


def test_the_beginning_is_no_longer_than_the_corpus(tmp_path):
    for lines, message in ((["0-0"] * 3, "3 lines of links for 2"), (["1 1 1", "3 1 1"], r"sentence \(3\) must be")):
        with pytest.raises(ValueError, match=message):
            from_lines(lines, 2, is_beginning=True)
    for number in range(3):
        (tmp_path / f"samp1.SentPair{number}").write_text("1 1\n")
    (tmp_path / "README").write_text("no pair")
    assert len(from_blinker(tmp_path, 9, read=read_lines, is_beginning=True)) == 3
    with pytest.raises(ValueError, match="from 0 to 1, it holds 3"):
        from_blinker(tmp_path, 2, read=read_lines, is_beginning=True)
