"""Our statistical word aligner beside others, on text whose links people drew: the table in docs/alignment.md.

    scripts/aligners.py FOLDER [--rows ROW ...] [--eflomal COMMAND] [--fast-align COMMAND]

FOLDER holds the corpora, each in a folder (align-ro-en, align-de-en with tatoeba-de-en and news-de-en, align-en-fr,
align-zh-en with tatoeba-zh-en, align-ja-en). All aligners read the same text, in which the sentences with gold links
come first; the links of others become one by grow-diag. What is not installed or not there is left out.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mt.alignment.error_rate import ErrorRate  # noqa: E402 - found by the line above
from mt.alignment.gold import Gold, from_pharaoh  # noqa: E402
from mt.alignment.links import Link  # noqa: E402
from mt.alignment.symmetrize import grow_diag  # noqa: E402
from mt.data.bundled.source import Bundled  # noqa: E402

EXPECTED = re.compile(r"expected error rate .*?: ([\d.]+) if people link every word, ([\d.]+) if they mark")
TOKEN = re.compile(r"\w+(?:-\w+)*|[^\w\s]")
NEWS = [
    *("news-test2008", "newstest2009", "newstest2010", "newstest2011", "newstest2012", "newstest2013"),
    *("newstest2014-deen", "newstest2016-ende"),
]


@dataclass(frozen=True)
class Row:
    """A corpus whose first sentences have gold links (Pharaoh)."""

    sources: list[str]
    targets: list[str]
    gold: list[str]


@dataclass(frozen=True)
class Result:
    """What an aligner made of a row; `expected`: the error rate that it expects itself, in percent."""

    rate: ErrorRate
    seconds: float
    megabytes: float
    expected: str = ""


def main() -> int:
    """Prints a line for each row and aligner."""
    flags = parser().parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("| corpus | pairs | aligner | AER | precision | recall | expected AER | CPU seconds | MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in flags.rows or ROWS:
        try:
            row = ROWS[name](Path(flags.folder))
        except FileNotFoundError as missing:
            print(f"{name}: left out, {missing}", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for side, lines in (("source", row.sources), ("target", row.targets), ("gold", row.gold)):
                (folder / side).write_text("".join(f"{line}\n" for line in lines), "utf-8")
            tools: dict[str, Callable[[Path, Row], Result]] = {"ours": ours}
            if shutil.which(flags.eflomal):
                tools["eflomal"] = lambda folder, row: eflomal(flags.eflomal, folder, row)
            if shutil.which(flags.fast_align):
                tools["fast_align"] = lambda folder, row: fast_align(flags.fast_align, folder, row)
            for tool, align in tools.items():
                print(line_of(name, len(row.sources), tool, align(folder, row)), flush=True)
    return 0


def line_of(name: str, pairs: int, tool: str, result: Result) -> str:
    rate = result.rate
    numbers = (100 * rate.aer, 100 * rate.precision, 100 * rate.recall)
    shares = " | ".join(f"{number:.1f}" for number in numbers)
    size = f"{result.seconds:.0f} | {result.megabytes:.0f}"
    return f"| {name} | {pairs:,} | {tool} | {shares} | {result.expected} | {size} |"


def ours(folder: Path, row: Row) -> Result:
    """`align corpus` as it stands."""
    command = [sys.executable, "-m", "mt.align", "corpus"]
    files = [flag for name in ("source", "target", "gold") for flag in (f"--{name}", folder / name)]
    said, seconds, megabytes = measured([*command, *files, "--output", folder / "links"])
    found = EXPECTED.search(said)
    links = [links_of(line) for line in (folder / "links").read_text().splitlines()]
    return Result(
        rate_of(links, row.gold), seconds, megabytes, found[2 if has_possible(row.gold) else 1] if found else ""
    )


def has_possible(gold: list[str]) -> bool:
    """Whether people have marked more links as possible than as sure."""
    links = [link for line in gold for link in line.split()]
    return 2 * sum("?" in link for link in links) > len(links)


def eflomal(command: str, folder: Path, row: Row) -> Result:
    """eflomal with its own defaults (Östling and Tiedemann 2016)."""
    files = ["-s", folder / "source", "-t", folder / "target", "-f", folder / "forward", "-r", folder / "backward"]
    _, seconds, megabytes = measured([command, *files, "--overwrite"])
    return joined(folder, row, seconds, megabytes)


def fast_align(command: str, folder: Path, row: Row) -> Result:
    """fast_align with the settings of its page (Dyer et al. 2013)."""
    both = "".join(f"{s} ||| {t}\n" for s, t in zip(row.sources, row.targets, strict=True))
    (folder / "both").write_text(both, "utf-8")
    seconds = megabytes = 0.0
    for name, more in (("forward", []), ("backward", ["-r"])):
        with open(folder / name, "w") as output:
            _, took, size = measured([command, "-i", folder / "both", "-d", "-o", "-v", *more], stdout=output)
        seconds, megabytes = seconds + took, max(megabytes, size)
    return joined(folder, row, seconds, megabytes)


def joined(folder: Path, row: Row, seconds: float, megabytes: float) -> Result:
    sides = (map(links_of, (folder / name).read_text().splitlines()) for name in ("forward", "backward"))
    links = [grow_diag(*both) for both in zip(*sides, strict=True)]
    return Result(rate_of(links, row.gold), seconds, megabytes)


def measured(command: list, stdout=subprocess.DEVNULL) -> tuple[str, float, float]:
    """(what it says, CPU seconds, MiB of its largest process) of a command with its children."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=stdout, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode:
        raise SystemExit(f"{command[0]} failed:\n{text}")
    return text, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def links_of(line: str) -> set[Link]:
    pairs = (link.split("-") for link in line.split())
    return {(int(source), int(target)) for source, target in pairs}


def rate_of(links: list[set[Link]], gold: list[str]) -> ErrorRate:
    rate, lines = ErrorRate(), map(from_pharaoh, gold)
    own: Gold
    for found, own in zip(links, lines, strict=False):
        rate += ErrorRate.of(found, own)
    return rate


def lines_of(path: Path) -> list[str]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data.decode("utf-8").split("\n")[:-1]


def tokens(lines: list[str]) -> list[str]:
    return [" ".join(TOKEN.findall(line)).lower() for line in lines]


def romanian(folder: Path) -> Row:
    own = folder / "align-ro-en"
    names = ["test-odd.{}", "train-newsdev2016-enro.{}.gz", "train-newstest2016-enro.{}.gz"]
    sides = ([line for name in names for line in lines_of(own / name.format(of))] for of in ("ro", "en"))
    return Row(*sides, lines_of(own / "test-odd.wa"))


def german(folder: Path) -> Row:
    def side(of: str) -> list[str]:
        more = [folder / f"tatoeba-de-en/train.{of}.gz", *(folder / f"news-de-en/{name}.{of}.gz" for name in NEWS)]
        return lines_of(folder / f"align-de-en/test-odd.{of}") + tokens([line for p in more for line in lines_of(p)])

    return Row(side("de"), side("en"), lines_of(folder / "align-de-en/test-odd.wa"))


def french(corpus: str, size: int, ending: str = "") -> Callable[[Path], Row]:
    def row(folder: Path) -> Row:
        own = folder / "align-en-fr"
        sides = (
            lines_of(own / f"test-odd{ending}.{of}") + lines_of(own / f"{corpus}.{of}.gz")[:size] for of in ("en", "fr")
        )
        return Row(*sides, lines_of(own / "test-odd.wa"))

    return row


def chinese(folder: Path) -> Row:
    own, more = folder / "align-zh-en", folder / "tatoeba-zh-en"
    sources = lines_of(own / "test-odd.zh") + lines_of(more / "train.zh.gz")
    targets = lines_of(own / "test-odd.en") + tokens(lines_of(more / "train.en.gz"))
    return Row(sources, targets, lines_of(own / "test-odd.wa"))


def japanese(folder: Path) -> Row:
    own = folder / "align-ja-en"
    return Row(lines_of(own / "test-odd.ja"), lines_of(own / "test-odd.en"), lines_of(own / "test-odd.wa"))


def bundled(size: int) -> Callable[[Path], Row]:
    def row(_: Path) -> Row:
        pairs = list(Bundled("train", size))
        return Row([p.source for p in pairs], [p.target for p in pairs], [p.links or "" for p in pairs])

    return row


ROWS: dict[str, Callable[[Path], Row]] = {
    "ro-en": romanian,
    "de-en": german,
    "Hansards": french("train-hansards.fold", 228_268, ".fold"),
    "Europarl": french("train-europarl10k", 10_000),
    "Hansards, 1,000": french("train-hansards.fold", 1000, ".fold"),
    "zh-en": chinese,
    "ja-en": japanese,
    "bundled, 200": bundled(200),
    "bundled, 2,000": bundled(2000),
    "bundled": bundled(30_000),
}


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("folder", metavar="FOLDER", help="of the corpora")
    flags.add_argument("--rows", nargs="+", choices=ROWS, metavar="ROW", help=f"of {'; '.join(ROWS)} (default: all)")
    flags.add_argument("--eflomal", metavar="COMMAND", default="eflomal-align", help="(default: %(default)s)")
    flags.add_argument("--fast-align", metavar="COMMAND", default="fast_align", help="(default: %(default)s)")
    return flags


if __name__ == "__main__":
    raise SystemExit(main())
