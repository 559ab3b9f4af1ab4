"""Translates with CTranslate2: decode_ctranslate2.py SPECIFICATION.json

Many lines go to as many workers of one thread as there are cores, one line to one worker of all threads.
"""

import functools
import os

import ctranslate2
import sentencepiece
from decode_common import measure, specification


def main():
    spec = specification()
    processor = sentencepiece.SentencePieceProcessor(model_file=f"{spec['model']}/sentencepiece.model")
    cores = int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0))

    @functools.cache
    def translator(workers, threads):
        engine = ctranslate2.Translator(
            f"{spec['model']}/ctranslate2",
            device="cpu",
            compute_type=spec["precision"],
            inter_threads=workers,
            intra_threads=threads,
        )
        if not engine.compute_type.startswith(spec["precision"]):  # int8 is int8_float32 on a CPU
            raise SystemExit(f"CTranslate2 computes in {engine.compute_type} here, not in {spec['precision']}")
        return engine

    def with_translator(workers, threads, batch_type, batch_size):
        def translate(lines, beam_size):
            pieces = processor.encode(lines, out_type=str)
            found = translator(workers, threads).translate_batch(
                pieces,
                beam_size=beam_size,
                length_penalty=spec["length_penalty"],
                max_batch_size=batch_size,
                batch_type=batch_type,
                disable_unk=True,
                max_decoding_length=spec["max_length"],
            )
            return processor.decode([result.hypotheses[0] for result in found])

        return translate

    many = with_translator(cores, 1, "tokens", spec["batch_tokens"])
    measure(spec, many, with_translator(1, cores, "examples", 0))


if __name__ == "__main__":
    main()
