"""Translates lines of standard input with the model in this folder: python translate.py < lines.txt"""

import json
import sys
import unicodedata
from pathlib import Path

import ctranslate2
from sentencepiece import SentencePieceProcessor


class Translator:
    def __init__(self, folder, **how):  # of ctranslate2.Translator, such as device, compute_type, intra_threads
        self.about = json.loads((Path(folder) / "export.json").read_text("utf-8"))
        self.source, self.target = (SentencePieceProcessor(f"{folder}/{name}") for name in self.about["tokenizers"])
        self.model = ctranslate2.Translator(str(folder), **how)

    def pieces(self, line):
        text = unicodedata.normalize("NFC", line) if self.about["is_composing"] else line
        pieces, symbols = self.source.encode(text, out_type=str), tuple(self.about["reserved_symbols"])
        return pieces[1:] if symbols and text.startswith(symbols) and pieces[:1] == ["▁"] else pieces

    def text(self, pieces):
        return self.target.decode(pieces).replace("\r", " ").replace("\n", " ")

    def translate(self, lines, **more):  # more: of translate_batch, such as use_vmap
        found = iter(self.search([self.pieces(line) for line in lines if line.strip()], **more))
        return [self.text(next(found)[0]["pieces"]) if line.strip() else line for line in lines]

    def search(self, sources, **more):  # pieces of each source in, its hypotheses out, best first
        rows, size, found = self.about["table_rows"] or 1 << 30, self.about["search"]["size"], dict[int, dict]()
        how = {"beam_size": size, "patience": min(size, 2), "num_hypotheses": size * min(size, 2), **more}
        how |= {"length_penalty": 0, "min_decoding_length": 0, "max_input_length": 0, "return_scores": True}
        mixed = {"use_vmap", "return_attention"} & more.keys()  # CTranslate2 4.8 mixes their sentences in a batch
        how |= {"max_batch_size": 1 if mixed else 4096, "batch_type": "tokens"}
        if (longest := max(map(len, sources), default=0)) >= rows:
            raise ValueError(f"a line has {longest} pieces, the model has positions for {rows - 1}")
        limits = [min(2 * len(s) + 20, self.about["search"]["max_length"] or rows, rows - 1) + 1 for s in sources]
        for of_class in {(limit // 64).bit_length() for limit in limits}:  # a call has one limit of length
            numbers = [n for n, limit in enumerate(limits) if (limit // 64).bit_length() == of_class]
            some, most = [sources[n] for n in numbers], max(limits[n] for n in numbers)
            results = self.model.translate_batch(some, max_decoding_length=most, **how)
            for n, result in zip(numbers, results, strict=True):
                if limits[n] < most and max(map(len, result.hypotheses)) >= limits[n] - 1:  # beyond its own limit
                    (result,) = self.model.translate_batch([sources[n]], max_decoding_length=limits[n], **how)
                found[n] = self.ranked(result, limits[n])
        return [found[number] for number in range(len(sources))]

    def ranked(self, result, limit):  # by log_prob / ((5 + pieces with </s>) / 6) ** alpha (Wu et al. 2016)
        alpha, found = self.about["search"]["length_penalty"], []
        for n, (pieces, log_prob) in enumerate(zip(result.hypotheses, result.scores, strict=True)):
            found.append({"pieces": pieces, "log_prob": log_prob, "score": log_prob / ((6 + len(pieces)) / 6) ** alpha})
            found[-1]["attention"] = result.attention[n] if result.attention else None
            found[-1]["is_whole"] = len(pieces) < limit and not {"<unk>", "<s>", "<pad>"} & {*pieces}
        return sorted(found, key=lambda one: (not one["is_whole"], -one["score"]))


if __name__ == "__main__":
    for line in Translator(Path(__file__).parent).translate([line.rstrip("\n") for line in sys.stdin]):
        print(line)
