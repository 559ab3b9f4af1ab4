"""Target words that have no support in the source: how well each signal, and several together, find them.

Two sets are made of a test set, each with its untouched references:

  inserted   every second line gets a phrase of two to four words from another line's reference, at a random place
  other      every fourth line gets the reference of another line: every word of it is from nowhere

All words of a phrase, or of another line's reference, count as from nowhere, articles too, even if the sentence has one
of its own. Printed are the share of such words, the precision at a recall of 90 % and the area under the ROC curve of

  log-probability    of the word, by the model
  share              of the word that comes from the source (contributions, ALTI+)
  alignment          the weight of attention on the source words that the word is linked to (strength)
  no source          how much less probable the word is when the source is taken away
  other source       how much less probable it is with the sources of other lines
  left out           how much more probable the rest becomes without the word, or two or three words with it
  support            of the word by the links that the training learned (the checkpoint's, or --priors)
  SHIPPED            that of the word and of the words beside it: what `translate --coverage` says

and of logistic functions of several, whose weights come from sets made of --valid in the same way, "beside" with each
signal's mean over the two words beside the word. Precision and recall of what is named close the table.

    python scripts/from_nowhere.py --checkpoint checkpoints/mine --valid val.{en,de} --test test.{en,de} --lines 500
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from omissions import Judged, area  # noqa: E402 - found by the line above

from mt.alignment.alignment import Alignment  # noqa: E402
from mt.alignment.lexicon_priors import LexiconPriors  # noqa: E402
from mt.alignment.nowhere import FLAGGED, Nowhere, beside  # noqa: E402
from mt.alignment.words import by_words, mean_of_pieces, words_of  # noqa: E402
from mt.checkpoint.priors_file import read_priors  # noqa: E402
from mt.evaluation.alignment_input import check_count, read  # noqa: E402
from mt.inference.aligner import Aligner  # noqa: E402
from mt.inference.confidence import logistic, logistic_regression  # noqa: E402
from mt.inference.contributions import with_contributions  # noqa: E402
from mt.inference.scorer import Scorer  # noqa: E402
from mt.words import split_words  # noqa: E402

RECALL = 0.9
SHORTEST, LONGEST = 2, 4  # words of a phrase
SPAN = 3  # words that are left out together
NUM_OTHERS = 2  # sources of other lines
LOWEST = -20.0  # log-probability: less says no more

# W target words, T target pieces, N words of all lines, F signals


@dataclass(frozen=True)
class Line:
    """A source and a target, of which some words are from nowhere."""

    source: str
    target: str
    is_wrong_W: np.ndarray


def inserted(sources: Sequence[str], targets: Sequence[str], random: Random) -> Iterator[Line]:
    """Every second line with a phrase of another one."""
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        words, others = split_words(target), split_words(random.choice(targets))
        is_wrong = np.zeros(len(words), dtype=bool)
        size = random.randint(SHORTEST, LONGEST)
        if number % 2 and len(others) > size:
            start, place = random.randrange(len(others) - size), random.randrange(len(words))
            phrase = [word.strip(".,;:!?") for word in others[start : start + size]]
            if all(phrase):
                words[place:place] = phrase
                is_wrong = np.insert(is_wrong, place, np.ones(size, dtype=bool))
        yield Line(source, " ".join(words), is_wrong)


def other(sources: Sequence[str], targets: Sequence[str], random: Random) -> Iterator[Line]:
    """Every fourth line with the reference of another one."""
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        is_wrong = number % 4 == 3
        text = random.choice([*targets[:number], *targets[number + 1 :]]) if is_wrong else target
        yield Line(source, text, np.full(len(split_words(text)), is_wrong))


SETS = {"inserted": inserted, "other": other}


class Signals:
    """The signals of a model for lines, one array of words for each line; the higher, the more likely from nowhere."""

    def __init__(self, checkpoint: str, device: str, priors: str | None):
        self.aligner = Aligner.load(checkpoint, device=device)
        self.translator = self.aligner.translator
        self.scorer = Scorer(self.translator)
        if priors is None:
            path, arrays = read_priors(Path(checkpoint))
            self.nowhere = Nowhere(LexiconPriors.of_arrays(arrays, str(path)))
        else:
            self.nowhere = Nowhere(LexiconPriors.read(read(priors), priors))

    def of(self, lines: Sequence[Line], others: Sequence[str]) -> dict[str, list[np.ndarray]]:
        """Every signal; `others` are sources of other lines."""
        sources, targets = [line.source for line in lines], [line.target for line in lines]
        own = self._words(sources, targets)
        empty = self._words([""] * len(lines), targets)
        random = Random(7)
        others_of = [self._words([random.choice(others) for _ in lines], targets) for _ in range(NUM_OTHERS)]
        mean = [np.logaddexp.reduce(np.stack(of), axis=0) - np.log(NUM_OTHERS) for of in zip(*others_of, strict=True)]
        shares, strengths = self._of_maps(sources, targets)
        words = [(split_words(line.source), split_words(line.target)) for line in lines]
        return {
            "log-probability": [-of_W for of_W in own],
            "share": [-of_W for of_W in shares],
            "alignment": [-of_W for of_W in strengths],
            "no source": [there_W - of_W for of_W, there_W in zip(own, empty, strict=True)],
            "other source": [there_W - of_W for of_W, there_W in zip(own, mean, strict=True)],
            "left out": self._left_out(sources, targets),
            "support": [-self.nowhere.support(*pair) for pair in words],
            "SHIPPED": [self.nowhere.chances(*pair) for pair in words],
        }

    def _words(self, sources: Sequence[str], targets: Sequence[str]) -> list[np.ndarray]:
        """The log-probability of each word."""
        tokenizers, translator = self.translator.tokenizers, self.translator
        target_ids = tokenizers.target.encode_many(list(targets))
        source_ids = tokenizers.source.encode_many(list(sources))
        read = [translator.source(text, None, ids) for text, ids in zip(sources, source_ids, strict=True)]
        found = self.scorer.log_probs(read, target_ids, None)
        return [
            np.maximum(words_of(tokenizers.target.pieces(ids), text).share_PW.T @ np.array(log_probs[:-1]), LOWEST)
            for text, ids, log_probs in zip(targets, target_ids, found, strict=True)
        ]

    def _of_maps(self, sources: Sequence[str], targets: Sequence[str]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        encoded = self.aligner.encoded(sources, targets)
        choice = self.aligner.choice
        raws = self.aligner.attention_of_encoded(*encoded, norms=choice.signal == "norms")
        raws = with_contributions(self.translator, raws, *encoded)
        shares, strengths = [], []
        for raw, source, target in zip(raws, sources, targets, strict=True):
            words = by_words(Alignment.from_attention(raw, **choice.where()), source, target)
            linked_T = np.zeros(len(words.target_pieces))
            for s, t in choice.links(words.weights_TS):
                linked_T[t] += words.weights_TS[t, s]
            strengths.append(linked_T)
            assert raw.source_share_T is not None
            shares.append(mean_of_pieces(words_of(raw.target_pieces[:-1], target)) @ raw.source_share_T[:-1])
        return shares, strengths

    def _left_out(self, sources: Sequence[str], targets: Sequence[str]) -> list[np.ndarray]:
        """For each word the largest gain in nats of the whole target when a span with it is left out."""
        texts, places = [], []
        for number, target in enumerate(targets):
            words = split_words(target)
            texts.append((number, target))
            places.append((number, range(0)))
            for size in range(1, min(SPAN, len(words) - 1) + 1):
                for start in range(len(words) - size + 1):
                    texts.append((number, " ".join([*words[:start], *words[start + size :]])))
                    places.append((number, range(start, start + size)))
        target_ids = self.translator.tokenizers.target.encode_many([text for _, text in texts])
        source_ids = self.translator.tokenizers.source.encode_many(list(sources))
        read = [self.translator.source(sources[n], None, source_ids[n]) for n, _ in texts]
        totals = [sum(log_probs) for log_probs in self.scorer.log_probs(read, target_ids, None)]
        found = [np.full(len(split_words(target)), -np.inf) for target in targets]
        whole = 0.0
        for (number, span), total in zip(places, totals, strict=True):
            if not span:
                whole = total
            for word in span:
                found[number][word] = max(found[number][word], (total - whole) / len(span))
        return [np.where(np.isfinite(of_W), of_W, 0.0) for of_W in found]


OF_MODEL = ("log-probability", "share", "alignment", "no source", "other source", "left out")
TOGETHER = {
    "log-probability and other source": ("log-probability", "other source"),
    "all of the model": OF_MODEL,
    "all of the model, beside": (*OF_MODEL, *(f"{name}, beside" for name in OF_MODEL)),
    "support, beside": ("support", "support, beside"),
    "support, log-probability, other source, beside": tuple(
        f"{name}{where}" for name in ("support", "log-probability", "other source") for where in ("", ", beside")
    ),
    "all, beside": tuple(f"{name}{where}" for name in (*OF_MODEL, "support") for where in ("", ", beside")),
}


def precision_at(judged: Judged, recall: float = RECALL) -> float:
    """The precision at the highest threshold that finds this share of the wrong words."""
    order = np.argsort(-judged.numbers, kind="stable")
    right = np.cumsum(judged.is_wrong[order])
    last = int(np.searchsorted(right, np.ceil(recall * judged.is_wrong.sum())))
    # words with the same number are flagged together
    flagged = judged.numbers >= judged.numbers[order][last]
    return float(judged.is_wrong[flagged].mean())


def main() -> int:
    """Prints the tables."""
    flags = parser().parse_args()
    signals = Signals(flags.checkpoint, flags.device, flags.priors)
    found: dict[str, dict[str, tuple[dict[str, np.ndarray], np.ndarray]]] = {}
    for seed, (name, paths) in enumerate({"valid": flags.valid, "test": flags.test}.items(), start=1):
        sources, targets = (list(islice(read(path), flags.lines)) for path in paths)
        check_count(paths[1], targets, sources, paths[0])
        for kind, made in SETS.items():
            lines = list(made(sources, targets, Random(seed)))
            of_lines = signals.of(lines, sources)
            numbers = {signal: np.concatenate(of) for signal, of in of_lines.items()}
            numbers |= {f"{signal}, beside": np.concatenate(list(map(beside, of))) for signal, of in of_lines.items()}
            found.setdefault(name, {})[kind] = numbers, np.concatenate([line.is_wrong_W for line in lines])
    for kind in SETS:
        numbers, is_wrong = found["test"][kind]
        print(f"\n{kind}: {100 * is_wrong.mean():.1f} % of {len(is_wrong)} words are from nowhere\n")
        print(f"| signal | precision at {100 * RECALL:.0f} % recall | AUC |\n|---|---|---|")
        for signal, of_N in numbers.items():
            if not signal.endswith("beside"):
                print(row(signal, Judged(of_N, is_wrong)))
        said = {}
        for title, names in TOGETHER.items():
            weights = logistic_regression(*both(found["valid"], names))
            print(row(title, Judged(logistic(table(numbers, names), weights), is_wrong)))
            said[title] = ", ".join(f"{weight:.3f}" for weight in weights)
        is_named = numbers["SHIPPED"] >= FLAGGED
        right = (is_named & is_wrong).sum()
        print(f"\nnamed: precision {100 * right / is_named.sum():.1f} %, recall {100 * right / is_wrong.sum():.1f} %")
        print(f"weights of support, beside (from valid): {said['support, beside']}")
    return 0


def both(valid: dict[str, tuple[dict[str, np.ndarray], np.ndarray]], names: Sequence[str]) -> tuple[np.ndarray, ...]:
    """The signals, and which words are from nowhere, of both sets of --valid."""
    return (
        np.concatenate([table(numbers, names) for numbers, _ in valid.values()]),
        np.concatenate([is_wrong for _, is_wrong in valid.values()]).astype(float),
    )


def table(numbers: dict[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """The intercept and the signals as columns."""
    columns = [numbers[name] for name in names]
    return np.stack([np.ones_like(columns[0]), *columns], axis=1)


def row(name: str, judged: Judged) -> str:
    return f"| {name} | {100 * precision_at(judged):.1f} % | {area(judged):.3f} |"


def parser() -> argparse.ArgumentParser:
    """The flags."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--checkpoint", required=True, help="a run or a step")
    for name in ("valid", "test"):
        flags.add_argument(f"--{name}", nargs=2, metavar="FILE", required=True, help="sources and references")
    flags.add_argument(
        "--priors", metavar="FILE", help="learned links, as mt.align corpus --learned-priors writes them"
    )
    flags.add_argument("--lines", type=int, help="the first so many of each (default: all)")
    flags.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    return flags


if __name__ == "__main__":
    raise SystemExit(main())
