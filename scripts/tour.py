"""A tour in less than a minute: train on 2,000 pairs, translate, look at a heatmap, read the size of the caches.

    python scripts/tour.py                  # writes to outputs/tour
    python scripts/tour.py --folder FOLDER

The model is tiny and trains for about 20 seconds on a quiet core, so most of its translations are wrong, and the tour
says how wrong. `make demo` trains a good one in three minutes.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402 - `mt` is found by the line above

from mt.alignment.alignment import Alignment  # noqa: E402
from mt.alignment.gold import from_pharaoh  # noqa: E402
from mt.alignment.heatmap import save_heatmap  # noqa: E402
from mt.alignment.words import by_words  # noqa: E402
from mt.attention.key_value import BLOCK  # noqa: E402
from mt.comparison.costs import held_bytes  # noqa: E402
from mt.data.source import Text  # noqa: E402
from mt.data.tokenizer import BOS  # noqa: E402
from mt.inference.aligner import Aligner  # noqa: E402

# differences to configs/experiment/demo.yaml: fewer pairs, and a model that learns something in 300 updates
SETTINGS = (
    *("experiment=demo", "name=tour", "data.train.size=2000", "data.valid.size=100"),
    *("data.tests.test.size=100", "~data.tests.test_compositional", "tokenizer.vocab_size=800"),
    *("model.layer.dim=64", "model.layer.num_heads=2", "model.layer.feed_forward_dim=128", "batches.max_tokens=1024"),
    *("schedule.peak=8e-3", "schedule.warmup_steps=30", "trainer.max_steps=300", "trainer.validate_every=300"),
)
SHOWN = 3  # sentences
SHADES = " .:-=+*#%@"  # of a weight, from 0 to 1
POSITIONS = (2, 16, 17, 40)  # target pieces after which the past is measured


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    flags.add_argument("--folder", type=Path, default=ROOT / "outputs" / "tour", help="default: outputs/tour")
    folder = flags.parse_args().folder
    run, prepared = folder / "run", folder / "data"

    title(1, "Train on 2,000 pairs of the bundled corpus")
    train(run, prepared)
    files = [prepared / f"test.{ending}" for ending in ("en", "de", "align")]
    sources, targets, gold = (file.read_text("utf-8").splitlines() for file in files)
    aligner = Aligner.load(run)

    scores = json.loads((run / "scores.json").read_text("utf-8"))
    title(2, "Translate sentences that were not in the training data")
    translate(aligner, sources[:SHOWN], targets[:SHOWN], scores["tests"]["test"])

    title(3, "Look at a heatmap")
    heatmap(aligner, sources[0], targets[0], gold[0], folder / "heatmap")

    title(4, "Read the size of the decoder's caches")
    caches(aligner, sources[0])


def title(number: int, text: str) -> None:
    print(f"\n{number}. {text}\n" + "-" * (len(text) + 3), flush=True)


def train(run: Path, prepared: Path) -> None:
    """The command of the command line; a second tour in the same folder finds the run finished."""
    words = ["-m", "mt.train", *SETTINGS, f"folder={run}", f"data.prepared={prepared}"]
    print("python " + shlex.join(words) + "\n", flush=True)
    done = subprocess.run([sys.executable, *words], cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.returncode)


def translate(aligner: Aligner, sources: list[str], references: list[str], scores: dict[str, Any]) -> None:
    translations = aligner.translator.translate(sources)
    for translation, reference in zip(translations, references, strict=True):
        print(f"  source       {translation.source}\n  translation  {translation.text}\n  reference    {reference}\n")
    print(f"  BLEU on {scores['lines']} such sentences: {scores['bleu']:.1f} of 100.")


def heatmap(aligner: Aligner, source: str, target: str, gold_line: str, stem: Path) -> None:
    """The reference's words against the source's: as a picture, and as text."""
    words = by_words(aligner.align([source], [target])[0], source, target)
    links = aligner.choice.links(words.weights_TS)
    gold = from_pharaoh(gold_line)
    (picture,) = save_heatmap(words, stem, formats=["png"], title=target, gold=gold, links=links)
    print(text_of(words))
    print(f"\n  Weights from 0 to 1: [{SHADES}]. They are read at: {words.describe()}.")
    print(f"  Links that are read here: {len(links)}, of which {len(links & gold.possible)} are gold links.")
    print(f"  The same as a picture: {picture}")


def text_of(words: Alignment) -> str:
    """A map as shades: source words across, target words down."""
    lines = [" " * 16 + " ".join(f"{word[:5]:5}" for word in words.source_pieces)]
    for word, row_S in zip(words.target_pieces, words.weights_TS, strict=True):
        shades = (SHADES[min(int(weight * len(SHADES)), len(SHADES) - 1)] * 5 for weight in row_S)
        lines.append(f"  {word[:13]:13} " + " ".join(shades))
    return "\n".join(line.rstrip() for line in lines)


@torch.inference_mode()
def caches(aligner: Aligner, source: str) -> None:
    """What decoding holds for one sentence: cross-attention's summary, and the past of the decoder's self-attention."""
    translator = aligner.translator
    pieces = Text.of([translator.tokenizers.source.encode(source)])
    state = translator.model.start(pieces)
    print(f"  cross-attention, {pieces.padded_length} source pieces: {held_bytes(state.summaries):,} bytes, made once")
    for position in range(1, POSITIONS[-1] + 1):
        _, state = translator.model.step(torch.tensor([BOS]), state)
        if position in POSITIONS:
            print(f"  self-attention, {position:2} target pieces: {held_bytes(state.pasts):,} bytes")
    print(f"  Each layer keeps a key and a value of each piece; memory is taken for {BLOCK} target pieces at a time.")


if __name__ == "__main__":
    main()
