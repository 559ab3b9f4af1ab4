"""Translates with `generate` of Hugging Face transformers: decode_transformers.py SPECIFICATION.json"""

import sentencepiece
import torch
from convert_transformers import BOS, EOS, PAD, load
from decode_common import measure, specification
from transformers import GenerationConfig


def main():
    spec = specification()
    processor = sentencepiece.SentencePieceProcessor(model_file=f"{spec['model']}/sentencepiece.model")
    model = load(f"{spec['model']}/transformers", getattr(torch, spec["precision"]))

    def translate(lines, beam_size):
        sources = [[*ids, EOS] for ids in processor.encode(lines)]
        translated = [""] * len(lines)
        for batch in batches(sources, spec["batch_tokens"]):
            ids = padded([sources[index] for index in batch])
            generation = GenerationConfig(
                num_beams=beam_size,
                do_sample=False,
                length_penalty=spec["length_penalty"],
                early_stopping=False,
                max_new_tokens=spec["max_length"] + 1,  # EOS
                pad_token_id=PAD,
                bos_token_id=BOS,
                eos_token_id=EOS,
                decoder_start_token_id=BOS,
            )
            with torch.inference_mode():
                found = model.generate(input_ids=ids, attention_mask=ids != PAD, generation_config=generation)
            for index, row in zip(batch, found.tolist(), strict=True):
                translated[index] = processor.decode([number for number in row if number > EOS])
        return translated

    measure(spec, translate, translate)


def batches(sources, batch_tokens):
    """Indices by length, longest first, padded source tokens at most `batch_tokens`."""
    made = []
    for index in sorted(range(len(sources)), key=lambda i: -len(sources[i])):
        if not made or (len(made[-1]) + 1) * len(sources[made[-1][0]]) > batch_tokens:
            made.append([])
        made[-1].append(index)
    return made


def padded(rows):
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


if __name__ == "__main__":
    main()
