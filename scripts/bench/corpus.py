"""The corpus of the benchmark: prepared by us, and written out as plain files, so that everybody trains on the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from processes import done
from setting import SOURCE, TARGET, VOCAB_SIZE, Work


def data_overrides(corpora: Path, work: Work) -> list[str]:
    """The settings of `mt.prepare` and `mt.train` that name the corpus and its vocabulary."""
    return [
        "data=multi30k",
        f"data.folder={corpora / 'multi30k'}",
        f"data.prepared={work.prepared}",
        "tokenizer=bpe",
        f"tokenizer.vocab_size={VOCAB_SIZE}",
    ]


def write_corpus(corpora: Path, work: Work) -> None:
    """Prepares the corpus and writes the plain files, unless that was done."""
    done([sys.executable, "-m", "mt.prepare", *data_overrides(corpora, work)])
    if (work.text / "counts.json").exists():
        return
    from mt.data.store import Store
    from mt.data.text_store import TextStore
    from mt.data.tokenizer import TokenizerPair

    work.text.mkdir(parents=True, exist_ok=True)
    train = Store(work.prepared / "encoded" / "train", TextStore(work.prepared / "clean" / "train"))
    pairs = [train.text(number) for number in range(len(train))]
    _write(work.text / f"train.{SOURCE}", [pair.source for pair in pairs])
    _write(work.text / f"train.{TARGET}", [pair.target for pair in pairs])
    for part in ("valid", "test"):
        for language in (SOURCE, TARGET):
            _write(work.text / f"{part}.{language}", lines(work.prepared / f"{part}.{language}"))
    tokenizer = TokenizerPair.load(work.prepared / "tokenizer").target
    tokenizer.save(work.text / "sentencepiece.model")
    _write(work.text / "vocabulary.txt", tokenizer.pieces(range(tokenizer.size)))
    counts = {
        "pairs": len(train),
        "target_tokens": int(train.target_lengths.sum()) + len(train),  # EOS
        "source_tokens": int(train.source_lengths.sum()) + len(train),
        "vocabulary": tokenizer.size,
    }
    (work.text / "counts.json").write_text(json.dumps(counts, indent=2) + "\n", "utf-8")


def counts(work: Work) -> dict[str, int]:
    """How many pairs and real tokens (EOS included) an epoch has."""
    return json.loads((work.text / "counts.json").read_text("utf-8"))


def lines(path: Path) -> list[str]:
    """The lines of a file, which only line feeds end."""
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def _write(path: Path, rows: list[str]) -> None:
    path.write_text("".join(f"{row}\n" for row in rows), "utf-8", newline="\n")
