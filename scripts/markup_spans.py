"""How often markup comes to stand around the right words: measured with links that people (or a grammar) drew.

Every run of one to four source words whose gold links lead to target words that are linked to nothing else gets a `<b>`
around it, one at a time; the reference is its translation, the checkpoint's attention says the links, and `restore`
puts the `<b>` around target words. Right is what the gold links say. Beside the rule that is shipped stand others: what
a word linked elsewhere costs inside an element (0 spans everything from the first linked word to the last).

    python scripts/markup_spans.py --checkpoint checkpoints/demo --source data/bundled/test.en \
        --target data/bundled/test.de --gold data/bundled/test.align
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mt.alignment.gold import Gold  # noqa: E402 - found by the line above
from mt.alignment.links import argmax_links  # noqa: E402
from mt.alignment.words import by_words  # noqa: E402
from mt.evaluation.alignment_input import check_count, read, read_gold  # noqa: E402
from mt.inference import markup_transfer  # noqa: E402
from mt.inference.aligner import Aligner  # noqa: E402
from mt.inference.markup import parse  # noqa: E402
from mt.words import num_words, split_words  # noqa: E402

COSTS = (0.0, 0.5, 1.0, 1.01, 2.0)
LONGEST = 4  # source words of an element


def main() -> int:
    """Prints a line for each cost and kind of links."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", required=True)
    for name in ("source", "target", "gold"):
        flags.add_argument(f"--{name}", metavar="FILE", required=True)
    args = flags.parse_args()
    sources, targets = read(args.source), read(args.target)
    check_count(args.target, targets, sources, args.source)
    gold = read_gold(args.gold, sources, targets)
    aligner = Aligner.load(args.checkpoint, device="cpu")
    found = [
        argmax_links(by_words(alignment, source, target).weights_TS)
        for alignment, source, target in zip(aligner.align(sources, targets), sources, targets, strict=True)
    ]
    print("links      cost  contiguous: exact, %  all: precision, %  recall, %  empty, %  elements")
    for kind, links in (("gold", [of_line.sure for of_line in gold]), ("attention", found)):
        for cost in COSTS:
            markup_transfer.FOREIGN = cost
            print(f"{kind:10} {cost:4.2f}  {measured(sources, targets, gold, links)}")
    return 0


def measured(sources: list[str], targets: list[str], gold: list[Gold], links: list) -> str:
    """What the rule does with every element, in percent."""
    num_exact = num_contiguous = num_right = num_marked = num_wanted = num_empty = num_elements = 0
    for source, target, of_line, links_of_line in zip(sources, targets, gold, links, strict=True):
        words = split_words(source)
        for first, end, wanted in elements(words, of_line):
            line = " ".join([*words[:first], f"<b>{words[first]}", *words[first + 1 : end]])
            line = " ".join([f"{line}</b>", *words[end:]])
            marked = marked_words(markup_transfer.restore(parse(line), target, links_of_line))
            is_contiguous = len(wanted) == max(wanted) - min(wanted) + 1
            num_elements += 1
            num_contiguous += is_contiguous
            num_exact += is_contiguous and marked == wanted
            num_right += len(marked & wanted)
            num_marked += len(marked)
            num_wanted += len(wanted)
            num_empty += not marked
    return (
        f"{100 * num_exact / num_contiguous:21.1f}  {100 * num_right / max(num_marked, 1):17.1f}  "
        f"{100 * num_right / num_wanted:9.1f}  {100 * num_empty / num_elements:8.1f}  {num_elements}"
    )


def elements(words: list[str], gold: Gold) -> Iterator[tuple[int, int, set[int]]]:
    """Runs of source words (first, end) and the target words that are theirs alone."""
    for first in range(len(words)):
        for end in range(first + 1, min(first + LONGEST, len(words)) + 1):
            wanted = {target for source, target in gold.sure if first <= source < end}
            is_alone = all(first <= source < end for source, target in gold.possible if target in wanted)
            if wanted and is_alone:
                yield first, end, wanted


def marked_words(line: str) -> set[int]:
    """The words that the line's one element has a part of."""
    marked = parse(line)
    start, stop = (mark.at for mark in marked.marks)
    inside = marked.text[start:stop]
    first = num_words(marked.text[:start])
    return set(range(first, first + num_words(inside)))


if __name__ == "__main__":
    raise SystemExit(main())
