"""Compressed files read as plain ones do, whole or with one line that says how far; whatever packed them."""

import bz2
import gzip
import lzma
import tracemalloc
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.formats.compressed import BLOCK_BYTES, find_file, plain_ending, read_blocks, zstd
from mt.data.formats.lines import FaultyLine, read_lines, scan_lines

PACK = {".gz": gzip.compress, ".xz": partial(lzma.compress, preset=0), ".bz2": bz2.compress, ".zst": zstd.compress}
NAMES = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd"}
LINES = [f"line {n} of many, {n * n}" for n in range(40_000)]
CONTENT = "".join(f"{line}\n" for line in LINES).encode()
every_packing = pytest.mark.parametrize("ending", PACK)


def packed(tmp_path, ending, content):
    path = tmp_path / f"text.en{ending}"
    path.write_bytes(content)
    return path


@every_packing
def test_packed_lines_are_the_plain_ones(tmp_path, ending):
    assert len(CONTENT) > 3 * BLOCK_BYTES
    assert list(read_lines(packed(tmp_path, ending, PACK[ending](CONTENT)))) == LINES


@every_packing
def test_members_one_after_the_other_are_read_whole(tmp_path, ending):
    cuts = [0, 7, 7, 300_000, 300_001, len(CONTENT)]  # one is empty, none ends with a line
    members = [PACK[ending](CONTENT[start:end]) for start, end in pairwise(cuts)]
    assert list(read_lines(packed(tmp_path, ending, b"".join(members)))) == LINES


@every_packing
def test_the_packed_form_of_a_missing_file_is_found(tmp_path, ending):
    path = packed(tmp_path, ending, PACK[ending](b"one\n"))
    assert find_file(tmp_path / "text.en") == path
    assert list(read_lines(tmp_path / "text.en")) == ["one"]
    assert plain_ending(path) == plain_ending(tmp_path / "text.en") == ".en"


def test_the_plain_file_comes_first_and_two_packed_ones_are_refused(tmp_path):
    for ending in (".gz", ".zst"):
        packed(tmp_path, ending, PACK[ending](b"packed\n"))
    with pytest.raises(ValueError, match=r"text\.en must be one file, there are text\.en\.gz and text\.en\.zst"):
        find_file(tmp_path / "text.en")
    (tmp_path / "text.en").write_text("plain\n")
    assert list(read_lines(tmp_path / "text.en")) == ["plain"]


@every_packing
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_file_that_is_cut_off_gives_its_lines_and_then_says_so(tmp_path, ending, share):
    whole = PACK[ending](CONTENT)
    path = packed(tmp_path, ending, whole[: int(len(whole) * share)])
    *lines, last = scan_lines(path)
    assert lines == LINES[: len(lines)]
    assert isinstance(last, FaultyLine) and last.ends_file
    place = f"{path}: unreadable after line {len(lines)}: not a sound {NAMES[ending]} file"
    assert last.fault == ("unreadable rest of file", f"{place} (it is cut off)")
    assert LINES[len(lines)].startswith(last.text)
    with pytest.raises(ValueError, match="it is cut off"):
        list(read_lines(path))


@every_packing
@pytest.mark.parametrize("damage", ["changed", "checksum", "behind", "empty"])
def test_a_damaged_file_is_one_line(tmp_path, ending, damage):
    whole = PACK[ending](CONTENT)
    half = len(whole) // 2
    content = {
        "changed": whole[:half] + bytes(byte ^ 0xFF for byte in whole[half : half + 40]) + whole[half + 40 :],
        "checksum": PACK[ending](b"one\n")[:-9] + bytes(9),
        "behind": whole + b"something else",
        "empty": b"",
    }[damage]
    if (ending, damage) == (".zst", "checksum"):
        pytest.skip("zstd writes no checksum unless it is asked to")
    path = packed(tmp_path, ending, content)
    *lines, last = scan_lines(path)
    place = f"{path}: unreadable after line {len(lines)}: not a sound {NAMES[ending]} file ("
    assert last.fault.message.startswith(place) and "\n" not in last.fault.message
    assert lines == LINES or damage != "behind"


@every_packing
@pytest.mark.parametrize("name", ["text.en", "text.en.gz", "text.en.xz", "text.en.zst", "text"])
def test_the_content_says_how_it_is_packed_and_not_the_name(tmp_path, ending, name):
    (tmp_path / name).write_bytes(PACK[ending](CONTENT))
    assert list(read_lines(tmp_path / name)) == LINES
    (tmp_path / name).write_bytes(CONTENT)
    assert list(read_lines(tmp_path / name)) == LINES


@every_packing
def test_a_packed_file_of_nothing_has_no_line(tmp_path, ending):
    assert list(read_lines(packed(tmp_path, ".en", PACK[ending](b"")))) == []


@pytest.mark.parametrize("content", [b"B", b"BZ", b"BZh9", b"BZh9 is a word\n", b"(\xb5", b"\x1f", b"P", b"(\n"])
def test_text_that_begins_like_a_packed_file_is_text(tmp_path, content):
    (tmp_path / "text").write_bytes(content)
    assert b"".join(read_blocks(tmp_path / "text")) == content


def test_zstd_frames_that_are_skipped_may_come_first(tmp_path):
    path = packed(tmp_path, ".en", b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd.compress(b"one\n"))
    assert list(read_lines(path)) == ["one"]


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_padding_behind_a_member_is_nothing(tmp_path, ending):
    padding = bytes(2 * BLOCK_BYTES)
    member = PACK[ending](CONTENT)
    path = packed(tmp_path, ending, member + padding + member + padding)
    assert list(read_lines(path)) == LINES * 2


@pytest.mark.slow  # a second: unpacks hundreds of megabytes
@every_packing
def test_a_small_file_of_a_huge_text_is_read_in_little_memory(tmp_path, ending):
    path = packed(tmp_path, ending, PACK[ending](b"one\n") + PACK[ending](bytes(60_000_000)))
    tracemalloc.start()
    try:
        assert max(map(len, read_blocks(path))) <= BLOCK_BYTES
        assert tracemalloc.get_traced_memory()[1] < 12_000_000  # xz alone needs 8 MB to unpack anything
    finally:
        tracemalloc.stop()


def test_zstd_files_made_for_more_memory_are_read(tmp_path):
    options = {zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.enable_long_distance_matching: 1}
    compressor = zstd.ZstdCompressor(options=options)
    path = packed(tmp_path, ".zst", compressor.compress(CONTENT[:1000]) + compressor.compress(CONTENT[1000:], 2))
    assert list(read_lines(path)) == LINES


@settings(max_examples=2 * settings.default.max_examples)
@given(text=st.text(st.sampled_from("aé\n\r\u2028\x00\ufeff\ud7ff😀"), max_size=40), block=st.integers(1, 9))
def test_lines_do_not_depend_on_where_blocks_end(tmp_path_factory, text, block):
    content = text.encode()
    path = tmp_path_factory.mktemp("blocks") / "text.en"
    content = b"first\n" + content if b"\0" in content[:4] or content.count(0) > 8 else content
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mt.data.formats.compressed.BLOCK_BYTES", block)
        lines = list(read_lines(path))
    expected = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    last = expected.pop()
    expected = [line.removesuffix(b"\r") for line in expected] + ([last] if last else [])
    assert [line.encode() for line in lines] == expected
