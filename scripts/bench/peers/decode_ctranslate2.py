"""Translates with CTranslate2: decode_ctranslate2.py SPECIFICATION.json

Many lines go to as many workers of one thread as there are cores, one line to one worker of all threads.
"""

import os

import ctranslate2
import sentencepiece
from decode_common import measure, specification


def main():
    spec = specification()
    processor = sentencepiece.SentencePieceProcessor(model_file=f"{spec['model']}/sentencepiece.model")
    cores = int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0))

    def translator(workers, threads):
        return ctranslate2.Translator(
            f"{spec['model']}/ctranslate2",
            device="cpu",
            compute_type=spec["precision"],
            inter_threads=workers,
            intra_threads=threads,
        )

    def with_translator(engine, batch_type, batch_size):
        def translate(lines, beam_size):
            pieces = processor.encode(lines, out_type=str)
            found = engine.translate_batch(
                pieces,
                beam_size=beam_size,
                length_penalty=spec["length_penalty"],
                max_batch_size=batch_size,
                batch_type=batch_type,
                disable_unk=True,
                max_decoding_length=2 * max(map(len, pieces)) + 20,
            )
            return processor.decode([result.hypotheses[0] for result in found])

        return translate

    many = translator(cores, 1)
    one = many if cores == 1 else translator(1, cores)
    if not many.compute_type.startswith(spec["precision"]):  # int8 is int8_float32 on a CPU
        raise SystemExit(f"CTranslate2 computes in {many.compute_type} here, not in {spec['precision']}")
    measure(spec, with_translator(many, "tokens", spec["batch_tokens"]), with_translator(one, "examples", 0))


if __name__ == "__main__":
    main()
