"""Translates lines of standard input with the model in this folder: python translate.py < lines.txt"""

import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from sentencepiece import SentencePieceProcessor


class Translator:
    def __init__(self, folder=Path(__file__).parent, **how):  # how: of onnxruntime.InferenceSession
        self.about = json.loads((Path(folder) / "export.json").read_text("utf-8"))
        self.source, self.target = (SentencePieceProcessor(f"{folder}/{name}") for name in self.about["tokenizers"])
        self.encoder, self.decoder = (InferenceSession(f, **how) for f in sorted(Path(folder).rglob("*.onnx"))[::-1])

    def pieces(self, line):
        text = unicodedata.normalize("NFC", line) if self.about["is_composing"] else line
        ids, symbols, blank = self.source.encode(text), tuple(self.about["reserved_symbols"]), self.source["▁"]
        return ids[1:] if text.startswith(symbols) and ids[:1] == [blank] else ids

    def text(self, ids):
        return self.target.decode(ids).replace("\r", " ").replace("\n", " ")

    def translate(self, lines):
        return [self.text(self.search(self.pieces(line))[0][2]) if line.strip() else line for line in lines]

    def start(self, ids_BS):  # of sources with </s>: what the decoder's first step gets
        given = {"input_ids": ids_BS, "attention_mask": np.sign(ids_BS)}  # 0 is <pad>
        feed = {f"encoder_{n}": one for n, one in {**given, "hidden_states": self.encoder.run(None, given)[0]}.items()}
        needs = [(one.name, one.shape) for one in self.decoder.get_inputs() if one.name.startswith(("encoder", "past"))]
        return {n: feed[n] if n in feed else np.zeros((len(ids_BS), of[1], 0, of[3]), "f") for n, of in needs}

    def step(self, feed, ids_BT, rows=slice(None)):  # more pieces of these rows: all outputs, and the next feed
        names, feed = [one.name for one in self.decoder.get_outputs()], {name: one[rows] for name, one in feed.items()}
        more = {"input_ids": ids_BT, "use_cache_branch": np.array([feed["past_key_values.0.decoder.key"].size > 0])}
        found = dict(zip(names, self.decoder.run(None, feed | more), strict=True))
        return found, feed | {n.replace("present", "past_key_values"): found[n] for n in names if "present" in n}

    def search(self, source):  # beam search, ranked as in Wu et al. 2016: (score, log-probability, ids), best first
        (size, alpha, longest), places = self.about["search"].values(), self.about["table_rows"] or 1 << 30
        limit, feed = min(2 * len(source) + 20, longest or places, places - 1), self.start(np.array([[*source, 3]]))
        penalty, totals, found = [((5 + n) / 6) ** alpha for n in range(limit + 2)], np.zeros(1), []
        ids, rows = np.array([[2]]), np.array([0])  # special pieces: 0 <pad>, 1 <unk>, 2 <s>, 3 </s>
        for length in range(1, limit + 2):  # of a hypothesis, with </s>
            out, feed = self.step(feed, ids[:, -1:], rows)
            scores = totals[:, None] + (x := out["logits"][:, -1].astype("d")) - np.log(np.exp(x).sum(1, keepdims=True))
            scores[:, [0, 1, 2] if length <= limit else np.arange(scores.shape[1]) != 3] = -np.inf
            rows, tokens = np.divmod(np.argsort(-scores, axis=None, kind="stable")[:size], scores.shape[1])
            ids, totals, ends = np.c_[ids[rows], tokens], scores[rows, tokens], np.flatnonzero(tokens == 3)
            found += [(totals[n] / penalty[length], totals[n], ids[n, 1:-1].tolist()) for n in ends]
            totals[ends] = -np.inf
            if found and totals.max() / max(penalty[min(length, limit) + 1], penalty[-1]) <= max(found)[0]:
                return sorted(found, reverse=True)  # what is unfinished cannot win any more


if __name__ == "__main__":
    sys.stdout.writelines(f"{one}\n" for one in Translator().translate([line.rstrip("\n") for line in sys.stdin]))
