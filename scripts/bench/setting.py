"""What every tool in the benchmark is given alike: the corpus, the vocabulary, the model, the batch, the optimizer.

The parts that measure run in our own environment. The scripts in peers/ run in an environment of a peer each, know
nothing of this project, and are handed all of this as JSON (`specification`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
DEFAULT_WORK = PROJECT / "data" / "bench"  # not in git

SOURCE, TARGET = "en", "de"
VOCAB_SIZE = 8000  # pieces of one joint sentencepiece BPE model, special and byte pieces included
DROPOUT = 0.1
LABEL_SMOOTHING = 0.1
LEARNING_RATE = 1e-3  # highest, after WARMUP_STEPS updates
WARMUP_STEPS = 1000
BATCH_TOKENS = 4096  # target tokens a batch may hold, padding included; see `BATCH` for how each tool is told
BEAM_SIZE = 5
LENGTH_PENALTY = 0.0  # the engines have different formulas; without any, all of them seek the same translation
MAX_LENGTH = 60  # target pieces: the engines' own limits differ, and matter for what repeats itself
SEARCH = {"beam_size": BEAM_SIZE, "length_penalty": LENGTH_PENALTY, "max_length": MAX_LENGTH}
SHORTLIST = "shortlist"  # ends the name of a precision that decodes with one


@dataclass(frozen=True)
class Model:
    """A classic pre-norm Transformer: sinusoidal positions, ReLU, biases, one matrix for embeddings and output."""

    name: str
    dim: int
    feed_forward_dim: int
    num_heads: int
    num_layers: int  # of the encoder, and of the decoder


MODELS = {
    "small": Model("small", dim=256, feed_forward_dim=1024, num_heads=4, num_layers=3),
    "base": Model("base", dim=512, feed_forward_dim=2048, num_heads=8, num_layers=6),
}

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Work:
    """The folder that the benchmark keeps things in between its parts."""

    folder: Path

    @property
    def prepared(self) -> Path:
        """Our own prepared corpus."""
        return self.folder / "prepared"

    @property
    def text(self) -> Path:
        """The same corpus as plain files, for everybody: train.en, train.de …, sentencepiece.model, vocabulary.txt."""
        return self.folder / "text"

    @property
    def model(self) -> Path:
        """The run folder of the model that decoding is measured with."""
        return self.folder / "model"

    @property
    def converted(self) -> Path:
        """The same weights in other tools' formats."""
        return self.folder / "converted"

    @property
    def environments(self) -> Path:
        return self.folder / "environments"

    @property
    def scratch(self) -> Path:
        """Where a measured process writes; emptied before each."""
        return self.folder / "scratch"


def place(text: str) -> Path:
    """A folder named on the command line; measured processes start elsewhere."""
    return Path(text).resolve()


def training_specification(work: Work, model: Model, *, batch_tokens: int, precision: str, scratch: Path) -> dict:
    """What a peer's training script reads from its JSON file."""
    return {
        "text": str(work.text),
        "source": SOURCE,
        "target": TARGET,
        "model": asdict(model),
        "batch_tokens": batch_tokens,
        "precision": precision,
        "dropout": DROPOUT,
        "label_smoothing": LABEL_SMOOTHING,
        "learning_rate": LEARNING_RATE,
        "warmup_steps": WARMUP_STEPS,
        "seed": 1,
        "scratch": str(scratch),
        "updates": str(scratch / "updates.jsonl"),
    }
