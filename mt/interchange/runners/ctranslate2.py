"""Translates lines of standard input with the model in this folder: python translate.py < lines.txt"""

import json
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path

import ctranslate2
import sentencepiece


class Translator:
    def __init__(self, folder, **how):  # how: of ctranslate2.Translator, such as device, compute_type, intra_threads
        self.about = json.loads((Path(folder) / "export.json").read_text("utf-8"))
        names = (
            ("tokenizer.model",) * 2 if Path(folder, "tokenizer.model").is_file() else ("source.model", "target.model")
        )
        self.source, self.target = (sentencepiece.SentencePieceProcessor(str(Path(folder, name))) for name in names)
        self.model = ctranslate2.Translator(str(folder), **how)

    def pieces(self, line):
        text = unicodedata.normalize("NFC", line) if self.about["is_composing"] else line
        pieces, symbols = self.source.encode(text, out_type=str), tuple(self.about["reserved_symbols"])
        return pieces[1:] if symbols and text.startswith(symbols) and pieces[:1] == ["▁"] else pieces

    def text(self, pieces):
        return self.target.decode(pieces).replace("\r", " ").replace("\n", " ")

    def translate(self, lines, **more):  # more: of translate_batch, such as use_vmap
        found = iter(self.search([self.pieces(line) for line in lines if line.strip()], **more))
        return [self.text(next(found)["pieces"]) if line.strip() else line for line in lines]

    def search(self, sources, **more):  # pieces of each source in, its best hypothesis out
        rows, size = self.about["table_rows"] or 1 << 30, self.about["search"]["size"]
        found, by_length = dict[int, dict](), defaultdict(list)  # a call has one limit of length
        how = {"beam_size": size, "patience": 2, "num_hypotheses": 2 * size} if size > 1 else {"beam_size": 1}
        how |= {"length_penalty": 0, "min_decoding_length": 0, "max_input_length": 0, "return_scores": True, **more}
        mixed = {"use_vmap", "return_attention"} & more.keys()  # CTranslate2 4.8 mixes their sentences in a batch
        how |= {"batch_type": "tokens", "max_batch_size": 1 if mixed else 4096}
        for number, source in enumerate(sources):
            if len(source) >= rows:
                raise ValueError(f"{len(source)} pieces in a line are too many: the model has positions for {rows - 1}")
            by_length[len(source)].append(number)
        for length, numbers in by_length.items():
            limit = min(2 * length + 20, self.about["search"]["max_length"] or rows, rows - 1) + 1  # and </s>
            results = self.model.translate_batch([sources[n] for n in numbers], max_decoding_length=limit, **how)
            found.update(zip(numbers, map(self.best, results), strict=True))
        return [found[number] for number in range(len(sources))]

    def best(self, result):  # by log_prob / ((5 + pieces with </s>) / 6) ** alpha (Wu et al. 2016)
        alpha, both = self.about["search"]["length_penalty"], zip(result.hypotheses, result.scores, strict=True)
        scores = [log_prob / ((6 + len(pieces)) / 6) ** alpha for pieces, log_prob in both]
        n = scores.index(max(scores))
        found = {"pieces": result.hypotheses[n], "log_prob": result.scores[n], "score": scores[n]}
        return found | {"attention": result.attention[n] if result.attention else None}


if __name__ == "__main__":
    print(*Translator(Path(__file__).parent).translate(sys.stdin.read().splitlines()), sep="\n")
