"""Translates lines of standard input with the model in this folder: python translate.py < lines.txt"""

import json
import sys
from collections import defaultdict
from pathlib import Path

from transformers import AutoModelForSeq2SeqLM, AutoTokenizer


class Translator:
    def __init__(self, folder, device="cpu", **how):  # how: of from_pretrained, such as dtype
        own = {"local_files_only": True, "trust_remote_code": True}  # modeling_mt.py of this folder, if there is one
        self.about = json.loads((Path(folder) / "export.json").read_text("utf-8"))
        self.source = self.target = AutoTokenizer.from_pretrained(folder, **own)
        if (Path(folder) / "target").is_dir():  # a vocabulary for each side
            self.target = AutoTokenizer.from_pretrained(Path(folder) / "target", **own)
        self.model = AutoModelForSeq2SeqLM.from_pretrained(folder, **own, **how).to(device).eval()

    def text(self, ids):
        return str(self.target.decode(ids, skip_special_tokens=True)).replace("\r", " ").replace("\n", " ")

    def translate(self, lines):
        found = iter(self.search([self.source(line)["input_ids"] for line in lines if line.strip()]))
        return [self.text(next(found)[0]["ids"]) if line.strip() else line for line in lines]

    def search(self, sources):  # ids of each source with </s> in, its hypotheses out, best first
        rows, found, by_length = self.about["table_rows"] or 1 << 30, dict[int, list](), defaultdict(list)
        for number, source in enumerate(sources):
            if len(source) > rows:
                raise ValueError(f"a line has {len(source)} pieces with </s>, the model has positions for {rows}")
            by_length[len(source)].append(number)
        for length, numbers in by_length.items():  # a call has one limit of length
            limit = min(2 * length + 18, self.about["search"]["max_length"] or rows, rows - 1) + 1  # and </s>
            for some in (numbers[n : n + 16] for n in range(0, len(numbers), 16)):
                found.update(zip(some, self.n_best([sources[n] for n in some], limit), strict=True))
        return [found[number] for number in range(len(sources))]

    def n_best(self, sources, limit):  # of sources of one length
        size, alpha = (self.about["search"][name] for name in ("size", "length_penalty"))
        how = {"num_beams": size, "num_return_sequences": size, "max_new_tokens": limit, "output_scores": True}
        how |= {"length_penalty": alpha, "early_stopping": "never"} if size > 1 else {"output_logits": True}
        how |= {"return_dict_in_generate": True}
        ids, end = self.source.pad({"input_ids": sources}, return_tensors="pt"), self.model.config.eos_token_id
        result, found = self.model.generate(**ids.to(self.model.device), **how), [list[dict]() for _ in sources]
        for row, (_, *ids) in enumerate(result.sequences.tolist()):
            length, is_whole = ids.index(end) + 1 if end in ids else len(ids), end in ids
            if size > 1:  # beam search divided it by length ** alpha
                log_prob = float(result.sequences_scores[row]) * length**alpha
            else:
                steps = zip(result.logits[:length], ids[:length], strict=True)
                log_prob = sum(float(logits[row].log_softmax(-1)[id_]) for logits, id_ in steps)
            one = {"ids": ids[: length - is_whole], "is_whole": is_whole, "log_prob": log_prob}
            found[row // size].append(one | {"score": log_prob / ((5 + length) / 6) ** alpha})  # Wu et al. 2016
        return [sorted(of, key=lambda one: (not one["is_whole"], -one["score"])) for of in found]


if __name__ == "__main__":
    for line in Translator(Path(__file__).parent).translate([line.rstrip("\n") for line in sys.stdin]):
        print(line)
