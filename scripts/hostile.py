"""Feeds hostile text to the commands, a million lines of it, and counts: nothing may crash, nothing may be lost.

Prepares a corpus of so many hostile pairs twice, with no cleaning rule and with all of them: what came in must be what
was kept and what was dropped, by reason, and each kept pair must come back from the store letter by letter. Then trains
a tiny model for a few updates and translates as many hostile lines with it: as many must come out.

    .venv/bin/python scripts/hostile.py --lines 1000000
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mt.data.store import Store  # noqa: E402 - found by the line above
from mt.data.text_store import TextStore  # noqa: E402
from mt.data.tokenizer import TokenizerPair  # noqa: E402
from tests.hostile import SOURCE_WORDS, TARGET_WORDS, lines, pairs, sentence  # noqa: E402

LINES_A_LONG_ONE = 20_000  # one line in so many is of a megabyte
TOKENIZER = ["tokenizer=bpe", "tokenizer.vocab_size=16000", "tokenizer.character_coverage=0.98"]
TOKENIZER += ["tokenizer.max_sentences=100000"]
TINY = ["model=tiny", "model.encoder.num_layers=1", "model.decoder.num_layers=1", "model.layer.dim=32"]
TINY += [
    "model.layer.num_heads=2",
    "model.layer.feed_forward_dim=64",
    "trainer.max_steps=20",
    "trainer.validate_every=20",
]
TINY += ["batches.max_tokens=2048", "final.average_last=1"]


def main() -> int:
    """Exit code 0 when nothing was lost, 1 with what was."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument(
        "--lines", type=int, default=1_000_000, help="pairs to prepare, lines to translate (default: 1e6)"
    )
    flags.add_argument("--seed", type=int, default=1, help="of the text (default: 1)")
    flags.add_argument("--device", default="auto", help="where it translates (default: auto)")
    flags.add_argument("--work", type=Path, default=ROOT / "data" / "hostile", help="folder to work in, emptied first")
    args = flags.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(parents=True)
    write_corpus(args.work, args.lines, args.seed)
    lost = [fault for rules in ("off", "default") for fault in check_prepared(args.work, rules, args.lines)]
    lost += check_translated(args)
    for fault in lost:
        print(f"LOST: {fault}")
    return 1 if lost else 0


def write_corpus(folder: Path, count: int, seed: int) -> None:
    """train, valid and test in "en" and "de" (harmless held-out lines), and lines.en to translate."""
    num_long = max(1, count // LINES_A_LONG_ONE)
    with (folder / "train.en").open("wb") as sources, (folder / "train.de").open("wb") as targets:
        for source, target in pairs(count, seed, num_long=num_long):
            sources.write(source + b"\n")
            targets.write(target + b"\n")
    with (folder / "lines.en").open("wb") as file:
        file.writelines(line + b"\n" for line in lines(count, seed + 1, num_long=num_long))
    random = Random(seed)
    for part in ("valid", "test"):
        for ending, words in (("en", SOURCE_WORDS), ("de", TARGET_WORDS)):
            text = "".join(f"{sentence(random, words)}\n" for _ in range(50))
            (folder / f"{part}.{ending}").write_text(text, encoding="utf-8")


def data_settings(folder: Path, rules: str) -> list[str]:
    """Settings of mt.prepare and mt.train for the corpus, cleaned by these rules."""
    languages = ["data.source_language=en", "data.target_language=de"]
    cleaning = [f"data/cleaning={rules}", "data.cleaning.malformed=drop"]
    return ["data=text", f"data.folder={folder}", f"data.prepared={folder / rules}", *languages, *cleaning, *TOKENIZER]


def check_prepared(folder: Path, rules: str, count: int) -> list[str]:
    """Prepares the corpus and prints its ledger; gives what was lost."""
    seconds = run("prepare", *data_settings(folder, rules), stderr=folder / f"prepare.{rules}.txt")
    ledger = json.loads((folder / rules / "ledger.json").read_text(encoding="utf-8"))
    dropped = {reason: drop["count"] for reason, drop in ledger["dropped"].items()}
    print(f"\nprepared, cleaning rules {rules}: {seconds:.0f} s")
    for name, number in {"in": ledger["in"], **dict(Counter(dropped).most_common()), "kept": ledger["kept"]}.items():
        print(f"  {name:<40} {number:>10,}")
    lost = []
    if ledger["in"] != count:
        lost.append(f"{rules}: {count} pairs were written, {ledger['in']} came in")
    if ledger["in"] != ledger["kept"] + sum(dropped.values()):
        lost.append(f"{rules}: {ledger['in']} came in, {ledger['kept']} were kept and {sum(dropped.values())} dropped")
    lost += check_store(folder / rules, ledger["kept"])
    return lost


def check_store(prepared: Path, num_kept: int) -> list[str]:
    """Reads every kept pair; gives those that are not what they were."""
    store = Store(prepared / "encoded" / "train", TextStore(prepared / "clean" / "train"))
    tokenizer = TokenizerPair.load(prepared / "tokenizer").source
    if len(store) != num_kept:
        return [f"{prepared.name}: {num_kept} were kept, {len(store)} lie in the store"]
    start = time.perf_counter()
    wrong = []
    for number in range(len(store)):
        for text, ids in zip(store.text(number)[:2], store.pair(number), strict=True):
            if tokenizer.decode(ids) != text.replace("▁", " "):
                wrong.append(f"{prepared.name}: pair {number} came back otherwise: {text[:80]!r}")
    print(f"  {'read back':<40} {len(store):>10,}  in {time.perf_counter() - start:.0f} s")
    return wrong[:5]


def check_translated(args: argparse.Namespace) -> list[str]:
    """Trains a tiny model and translates all lines with it; gives what was lost."""
    trained = args.work / "run"
    seconds = run(
        "train", *data_settings(args.work, "default"), *TINY, f"folder={trained}", stderr=args.work / "train.txt"
    )
    print(f"\ntrained for 20 updates: {seconds:.0f} s")
    output, notes = args.work / "lines.de", args.work / "translate.txt"
    how = ["--checkpoint", str(trained), "--device", args.device, "--beam-size", "1", "--max-length", "4"]
    seconds = run("translate", *how, "--input", str(args.work / "lines.en"), "--output", str(output), stderr=notes)
    num_in, num_out = count_lines(args.work / "lines.en"), count_lines(output)
    with notes.open(encoding="utf-8", errors="replace") as file:
        kinds = Counter(kind(note) for note in file)
    print(f"\ntranslated: {seconds:.0f} s, {num_in / seconds:,.0f} lines a second\n  {'lines in':<40} {num_in:>10,}")
    print(f"  {'lines out':<40} {num_out:>10,}")
    for note, number in kinds.most_common():
        print(f"  - {note:<38} {number:>10,}")
    lost = [f"{args.lines} lines were written, {num_in} are there"] if num_in != args.lines else []
    lost += [f"{num_in} lines went in, {num_out} came out"] if num_in != num_out else []
    text = output.read_bytes()
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        lost.append(f"{output}: {error}")
    return lost


def run(command: str, *arguments: str, stderr: Path) -> float:
    """Runs a command of ours and gives its seconds; one that fails ends this script with what it said."""
    start = time.perf_counter()
    with stderr.open("wb") as file:
        line = [sys.executable, "-m", f"mt.{command}", *arguments]
        done = subprocess.run(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=file, check=False)
    if done.returncode:
        raise SystemExit(
            f"mt.{command} left with {done.returncode}:\n{stderr.read_bytes()[-2000:].decode(errors='replace')}"
        )
    return time.perf_counter() - start


def kind(note: str) -> str:
    """A note of `translate` without its numbers, so that they can be counted."""
    words = note.strip().partition(": ")[2].split()
    return " ".join("…" if any(map(str.isdigit, word)) else word for word in words)


def count_lines(path: Path) -> int:
    """Line feeds in a file."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in blocks(file))


def blocks(file) -> Iterable[bytes]:
    """A file, a megabyte at a time."""
    return iter(lambda: file.read(1 << 20), b"")


if __name__ == "__main__":
    raise SystemExit(main())
