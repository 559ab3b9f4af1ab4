"""A stand-in for the aligner whose attention is known, and calls of the command with it."""

import json
from types import SimpleNamespace

import numpy as np

from mt import align
from mt.alignment.alignment import RawAttention
from mt.alignment.choice import Choice
from mt.inference.tags import Tags

LAYERS, HEADS = 3, 2


class KnownAligner:
    """One piece a word. Layer 1 at shift 1 looks at the word in the mirrored place; other layers at the first word."""

    choice = Choice(1, (0, 1), 1)
    direction = "en-de"

    def __init__(self):
        self.calls = []
        self.translator = SimpleNamespace(tags=Tags(SimpleNamespace(reserved_symbols=())))

    def encoded(self, sources, targets=None, *, batch_tokens=None, trees=None, pictures=None, tag=None):
        """Words, for a change."""
        if targets is None:
            targets = [" ".join(reversed(source.upper().split())) for source in sources]
        return tuple([text.split() for text in side] for side in (sources, targets))

    def misfit(self, source, target=None, *, max_pieces=None, tag=None):
        return None

    def portions(self, source_ids, target_ids):
        yield range(len(source_ids))

    def attention_of_encoded(self, source_ids, target_ids, *, norms, batch_tokens, has_tag, whole=None, texts=()):
        self.calls.append((len(source_ids), batch_tokens))
        return [self.one(*pair) for pair in zip(source_ids, target_ids, strict=True)]

    def one(self, source, target):
        source, target = (["▁" + word for word in words] + ["</s>"] for words in (source, target))
        weights = np.full((LAYERS, HEADS, len(target), len(source)), 0.1)
        weights[..., 0] += 0.2
        for t in range(len(target) - 1):
            weights[1, :, t + 1] = 0.05
            weights[1, 0, t + 1, max(len(source) - 2 - t, 0)] = 1.0
            weights[1, 1, t + 1, max(len(source) - 2 - t, 0)] = 0.5
        return RawAttention(weights / weights.sum(-1, keepdims=True), source, target)


def call(files, *flags, source="en", output="out"):
    arguments = ["--checkpoint", "run", "--source", str(files / source), "--output", str(files / output), *flags]
    assert align.main(arguments) == 0
    return files / output


def records(folder):
    return [json.loads(line) for line in (folder / "alignments.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]


def lines_of_page(folder):
    data = (folder / "alignments.html").read_text("utf-8").split('id="data">')[1].split("</script>")[0]
    return [sentence["line"] for sentence in json.loads(data)["sentences"]]
