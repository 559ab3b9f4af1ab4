"""The same pairs in every format, packed or not, are the same corpus through its settings file."""

import json
import lzma
from html import escape

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mt.checkpoint.rebuild import build
from mt.data.bundled.source import Bundled
from mt.data.formats.compressed import zstd

PAIRS = [pair._replace(links=None) for pair in Bundled("train", 150)]
PARTS = {"train": PAIRS[:100], "valid": PAIRS[100:130], "test": PAIRS[130:]}


def text(folder, part, pairs):
    for place, language in enumerate(("en", "de")):
        (folder / f"{part}.{language}").write_text("".join(f"{pair[place]}\n" for pair in pairs), encoding="utf-8")


def tsv(folder, part, pairs):
    lines = [f"{pair.source}\t{pair.target}\n" for pair in pairs]
    (folder / f"{part}.tsv").write_text("".join(lines), encoding="utf-8")


def jsonl(folder, part, pairs):
    lines = [json.dumps({"en": pair.source, "de": pair.target}) for pair in pairs]
    (folder / f"{part}.jsonl").write_text("\n".join(lines))


def parquet(folder, part, pairs):
    table = pa.table({"id": range(len(pairs)), "en": [pair[0] for pair in pairs], "de": [pair[1] for pair in pairs]})
    pq.write_table(table, folder / f"{part}.parquet")


def tmx(folder, part, pairs):
    units = [
        f'<tu><tuv xml:lang="EN-US"><seg>{escape(pair.source)}</seg></tuv>'
        f'<tuv xml:lang="DE-DE"><seg>{escape(pair.target)}</seg></tuv></tu>\n'
        for pair in pairs
    ]
    before = '<?xml version="1.0" encoding="UTF-16"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
    content = f'{before}<tmx version="1.4"><header/><body>{"".join(units)}</body></tmx>'
    (folder / f"{part}.tmx").write_text(content, encoding="utf-16")


def xliff(folder, part, pairs):
    units = [
        f"<trans-unit><source>{escape(pair.target)}</source><target>{escape(pair.source)}</target></trans-unit>\n"
        for pair in pairs
    ]
    file = f'<file source-language="de" target-language="en"><body>{"".join(units)}</body></file>'
    (folder / f"{part}.xlf").write_text(f'<xliff version="1.2">{file}</xliff>', encoding="utf-8")


def po(folder, part, pairs):
    def quoted(sentence):
        return '"' + sentence.replace("\\", "\\\\").replace('"', '\\"') + '"'

    entries = [f"msgid {quoted(pair.source)}\nmsgstr {quoted(pair.target)}\n" for pair in pairs]
    (folder / f"{part}.po").write_text("\n".join(entries), encoding="utf-8")


FORMATS = (text, tsv, jsonl, parquet, tmx, xliff, po)


@pytest.mark.slow  # files of each format, packed and plain
@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("pack", [None, (".zst", zstd.compress), (".xz", lzma.compress)], ids=["plain", "zst", "xz"])
def test_every_format_gives_the_pairs_that_were_written(tmp_path, monkeypatch, composed, write, pack):
    monkeypatch.chdir(tmp_path)  # all packings have the same settings, which are composed once
    for part, pairs in PARTS.items():
        write(tmp_path, part, pairs)
    if pack is not None:
        ending, compress = pack
        for path in list(tmp_path.iterdir()):
            path.with_name(path.name + ending).write_bytes(compress(path.read_bytes()))
            path.unlink()
    needed = ["data.folder=.", "data.source_language=en", "data.target_language=de"]
    data = build(composed([f"data={write.__name__}", *needed])["data"])
    assert {"train": list(data.train), "valid": list(data.valid), "test": list(data.tests["test"])} == PARTS
    fingerprint = data.train.fingerprint()
    assert fingerprint == data.train.fingerprint() != data.valid.fingerprint()
