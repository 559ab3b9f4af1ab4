"""What attention says of words that a translation leaves out, or has from nowhere, measured word by word in two ways.

Own translations of a held-out set, judged by its references: a content word of the source is left out where the
statistical aligner links it to nothing in the translation, and what it links it to in the reference is not there
either; a content word of the translation is from nowhere where it is linked to nothing and not in the reference. Words
that are neither clearly so nor clearly not so are not judged. The judge errs; that is in the numbers.

References made worse: one to three neighbouring content words are taken out (what was linked to them alone is left
out), or put in from another line (these are from nowhere), and decoded by force, beside the untouched references.

Printed are the share of wrong words, the area under the ROC curve of each signal, and precision and recall at the
threshold of best F1 on --valid; then those of what `translate --coverage` says, with the share of words that it flags.

    python scripts/omissions.py --checkpoint checkpoints/demo --valid data/bundled/valid.{en,de,align} \
        --test data/bundled/test.{en,de,align}
    python scripts/omissions.py --checkpoint checkpoints/multi30k --valid val.{en,de} --test test2016.{en,de} \
        --corpus train.{en,de}.gz

Links of references come from people (a third file, Pharaoh) or, as all others, from the statistical aligner, which
learns from --corpus too.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mt.alignment.alignment import Alignment, RawAttention  # noqa: E402 - found by the line above
from mt.alignment.gold import Gold  # noqa: E402
from mt.alignment.omission import is_omitted, left_over  # noqa: E402
from mt.alignment.statistical_aligner import StatisticalAligner  # noqa: E402
from mt.alignment.words import by_words, words_of  # noqa: E402
from mt.evaluation.alignment_input import check_count, read, read_gold  # noqa: E402
from mt.evaluation.alignment_reference import learned_links  # noqa: E402
from mt.inference.aligner import Aligner  # noqa: E402
from mt.words import split_words  # noqa: E402

NUM_FUNCTION_WORDS = 40  # the most frequent words of a side are no content words
LONGEST = 3  # content words in a row
LEAST_LEFT = 3  # words of a reference from which words were taken
LINKED, UNLINKED = 0.8, 0.3  # probability of a word's links, from which and up to which the judge is sure

# T target words, S source words


@dataclass(frozen=True)
class Pair:
    """A source and what is decoded for it; `wrong` words of one side, and words of it that nobody judges."""

    source: str
    target: str
    wrong: frozenset[int] = frozenset()
    unsure: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Seen:
    """What a signal is made of: the attention of a pair, its alignment by words, the commonest source words."""

    raw: RawAttention
    words: Alignment
    is_common_S: np.ndarray
    pair: Pair


@dataclass(frozen=True)
class Judged:
    """A signal's number for each judged word, and whether the word is wrong."""

    numbers: np.ndarray
    is_wrong: np.ndarray


Signal = Callable[[Seen], np.ndarray]  # the higher, the more likely wrong


def competition(seen: Seen) -> np.ndarray:
    """A word that looks where others look too has no source word of its own."""
    weights_TS = seen.words.weights_TS
    return -(weights_TS**2 / np.maximum(weights_TS.sum(axis=0), 1e-9)).sum(axis=1)


def sink(seen: Seen) -> np.ndarray:
    """Attention on "</s>", by the rows that read a word; the mean of all layers and heads."""
    sink_T = seen.raw.weights_LHTS.mean(axis=(0, 1))[1:, len(seen.raw.source_pieces) - 1]
    share_PW = words_of(seen.raw.target_pieces[:-1], seen.pair.target).share_PW
    return sink_T[: len(share_PW)] @ share_PW / np.maximum(share_PW.sum(axis=0), 1e-12)


def shipped(seen: Seen) -> np.ndarray:
    """What `translate --coverage` flags."""
    left_S = left_over(seen.raw, seen.pair.source)
    return is_omitted(seen.words.weights_TS.sum(axis=0), left_S, seen.is_common_S).astype(float)


SIGNALS: dict[str, dict[str, Signal]] = {
    "left out": {
        "read (column sum)": lambda seen: -seen.words.weights_TS.sum(axis=0),
        "column maximum": lambda seen: -seen.words.weights_TS.max(axis=0, initial=0.0),
        "left over for the last step": lambda seen: left_over(seen.raw, seen.pair.source),
        "SHIPPED": shipped,
    },
    "from nowhere": {
        "row maximum": lambda seen: -seen.words.weights_TS.max(axis=1, initial=0.0),
        "entropy": lambda seen: -(seen.words.weights_TS * np.log(seen.words.weights_TS + 1e-12)).sum(axis=1),
        "sink": sink,
        "competition": competition,
    },
}


def main() -> int:
    """Prints the tables."""
    args = parser().parse_args()
    corpus = list(zip(*(read(path) for path in args.corpus), strict=True)) if args.corpus else []
    aligner = Aligner.load(args.checkpoint, device=args.device)
    print(f"{args.checkpoint}: alignments are read from {aligner.choice.describe()}")
    sets = []
    for seed, paths in enumerate((args.valid, args.test), start=1):
        sources, targets = read(paths[0]), read(paths[1])
        check_count(paths[1], targets, sources, paths[0])
        gold = read_gold(paths[2], sources, targets) if len(paths) > 2 else None
        gold = gold or learned_links(sources, targets, corpus)
        own = judged_translations(aligner, sources, targets, corpus)
        sets.append({"own translations": own, "references made worse": made_worse(sources, targets, gold, seed)})
    for how in sets[0]:
        for kind, signals in SIGNALS.items():
            valid, test = (measured(aligner, of_set[how][kind], signals) for of_set in sets)
            wrong = [100 * of_set[next(iter(signals))].is_wrong.mean() for of_set in (valid, test)]
            print(f"\n{how}, words {kind}: {wrong[0]:.1f} % of valid, {wrong[1]:.1f} % of test")
            print(f"{'':30}  valid: AUC  precision  recall  flagged   test: AUC  precision  recall  flagged")
            for name in signals:
                threshold = 1.0 if name == "SHIPPED" else best_threshold(valid[name])
                print(f"{name:30}  {row(valid[name], threshold)}  {row(test[name], threshold)}")
    return 0


def judged_translations(
    aligner: Aligner, sources: list[str], targets: list[str], corpus: list[tuple[str, str]]
) -> dict[str, list[Pair]]:
    """For each kind the model's own translations, with what their judge says."""
    own = [translation.text for translation in aligner.translator.translate(sources)]
    more_sources, more_targets = [source for source, _ in corpus], [target for _, target in corpus]
    left = [split_words(line) for line in (*sources, *sources, *more_sources)]
    right = [split_words(line) for line in (*own, *targets, *more_targets)]
    posteriors = StatisticalAligner(left, right).fit().posteriors()
    found = [pair for pair, _ in zip(posteriors, range(2 * len(sources)), strict=False)]
    is_source, is_target = content(sources), content(targets)
    made: dict[str, list[Pair]] = {"left out": [], "from nowhere": []}
    lines = zip(sources, own, targets, found[: len(sources)], found[len(sources) :], strict=True)
    for source, text, target, (forward_TS, backward_ST), (_, reference_ST) in lines:
        if not source.strip() or not text.strip():
            continue
        has, wanted = ({folded(word) for word in split_words(line)} for line in (text, target))
        linked_S = np.maximum(backward_ST.sum(axis=1), forward_TS.max(axis=0))
        linked_T = np.maximum(forward_TS.sum(axis=1), backward_ST.max(axis=0))
        words = split_words(target)
        verdicts: list[bool | None] = []
        for place, word in enumerate(split_words(source)):
            in_reference = [folded(words[other]) for other in np.flatnonzero(reference_ST[place] > 0.5)]
            is_gone = linked_S[place] < UNLINKED and bool(in_reference) and not has & set(in_reference)
            is_judged = is_source(word) and (is_gone or linked_S[place] > LINKED)
            verdicts.append(is_gone if is_judged else None)
        made["left out"].append(judged_pair(source, text, verdicts))
        verdicts = []
        for place, word in enumerate(split_words(text)):
            is_new = linked_T[place] < UNLINKED and folded(word) not in wanted
            is_judged = is_target(word) and (is_new or linked_T[place] > LINKED or folded(word) in wanted)
            verdicts.append(is_new if is_judged else None)
        made["from nowhere"].append(judged_pair(source, text, verdicts))
    return made


def judged_pair(source: str, target: str, verdicts: Sequence[bool | None]) -> Pair:
    wrong = frozenset(place for place, verdict in enumerate(verdicts) if verdict)
    return Pair(source, target, wrong, frozenset(place for place, verdict in enumerate(verdicts) if verdict is None))


def made_worse(sources: list[str], targets: list[str], gold: list[Gold], seed: int) -> dict[str, list[Pair]]:
    """For each kind the pairs that could be made of the set, and all untouched ones."""
    random = Random(seed)
    is_source, is_target = content(sources), content(targets)
    both = zip(sources, targets, strict=True)
    untouched = [Pair(source, target) for source, target in both if source.strip() and target.strip()]
    made = {"left out": list(untouched), "from nowhere": list(untouched)}
    for source, target, links in zip(sources, targets, gold, strict=True):
        made["left out"] += taken_out(source, target, links, is_source, is_target, random)
        made["from nowhere"] += put_in(source, target, random.choice(targets), is_target, random)
    return made


def taken_out(source: str, target: str, gold: Gold, is_source, is_target, random: Random) -> Iterator[Pair]:
    """The pair without some content words of the target, if it has any with links to content words of the source."""
    from_words, to_words = split_words(source), split_words(target)
    size = random.randint(1, LONGEST)
    starts = list(range(len(to_words)))
    random.shuffle(starts)
    for start in starts:
        gone = range(start, min(start + size, len(to_words)))
        linked = {s for s, t in gold.sure if t in gone}
        wrong = {s for s in linked if is_source(from_words[s]) and all(t in gone for o, t in gold.sure if o == s)}
        is_fit = all(is_target(to_words[t]) and any(t == of for _, of in gold.sure) for t in gone)
        if wrong and is_fit and len(to_words) - len(gone) >= LEAST_LEFT:
            rest = " ".join(word for t, word in enumerate(to_words) if t not in gone)
            yield Pair(source, rest, frozenset(wrong), frozenset(linked - wrong))
            return


def put_in(source: str, target: str, other: str, is_content, random: Random) -> Iterator[Pair]:
    """The pair with content words of another target, if these are no words of its own."""
    words, others = split_words(target), split_words(other)
    start = random.randrange(len(others)) if others else 0
    phrase = [word.strip(".,;:!?") for word in others[start : start + random.randint(1, LONGEST)]]
    own = {folded(word) for word in words}
    if phrase and len(words) > 1 and all(is_content(word) and folded(word) not in own for word in phrase):
        place = random.randrange(1, len(words))
        text = " ".join([*words[:place], *phrase, *words[place:]])
        yield Pair(source, text, frozenset(range(place, place + len(phrase))))


def content(lines: list[str]) -> Callable[[str], bool]:
    """Whether a word is none of the most frequent, and of letters."""
    counts = Counter(folded(word) for line in lines for word in split_words(line))
    frequent = {word for word, _ in counts.most_common(NUM_FUNCTION_WORDS)}
    return lambda word: folded(word).isalpha() and folded(word) not in frequent


def folded(word: str) -> str:
    return word.casefold().strip(".,;:!?\"'")


def measured(aligner: Aligner, pairs: list[Pair], signals: dict[str, Signal]) -> dict[str, Judged]:
    """The numbers that each signal has for the judged words of all pairs."""
    by_norms = aligner.choice.signal == "norms"
    raws = aligner.attention([pair.source for pair in pairs], [pair.target for pair in pairs], norms=by_norms)
    found: dict[str, list[tuple[float, bool]]] = {signal: [] for signal in signals}
    for pair, raw in zip(pairs, raws, strict=True):
        words = by_words(Alignment.from_attention(raw, **aligner.choice.where()), pair.source, pair.target)
        seen = Seen(raw, words, aligner.is_common(pair.source), pair)
        for name, signal in signals.items():
            found[name] += [(n, w in pair.wrong) for w, n in enumerate(signal(seen)) if w not in pair.unsure]
    return {name: Judged(np.array([n for n, _ in of]), np.array([w for _, w in of])) for name, of in found.items()}


def row(judged: Judged, threshold: float) -> str:
    is_flagged = judged.numbers >= threshold
    num_right = (is_flagged & judged.is_wrong).sum()
    precision, recall = num_right / max(is_flagged.sum(), 1), num_right / max(judged.is_wrong.sum(), 1)
    return f"{area(judged):10.3f}  {100 * precision:9.1f}  {100 * recall:6.1f}  {100 * is_flagged.mean():7.2f}"


def area(judged: Judged) -> float:
    """Under the ROC curve: how often a wrong word has the larger number of two."""
    _, place, counts = np.unique(judged.numbers, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    num_wrong = judged.is_wrong.sum()
    above = ranks[judged.is_wrong].sum() - num_wrong * (num_wrong + 1) / 2
    return above / max(num_wrong * (len(ranks) - num_wrong), 1)


def best_threshold(judged: Judged) -> float:
    """The one of best F1."""
    order = np.argsort(-judged.numbers, kind="stable")
    right = np.cumsum(judged.is_wrong[order])
    f1 = 2 * right / (np.arange(1, len(order) + 1) + judged.is_wrong.sum())
    return float(judged.numbers[order][f1.argmax()])


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", required=True, help="a run or a step")
    for name in ("valid", "test"):
        flags.add_argument(f"--{name}", nargs="+", metavar="FILE", required=True, help="source, target, perhaps links")
    flags.add_argument("--corpus", nargs=2, metavar="FILE", help="more pairs for the statistical aligner to learn from")
    flags.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    return flags


if __name__ == "__main__":
    raise SystemExit(main())
