"""Translates with our own Translator, as `python -m mt.translate` does: decode_mt.py SPECIFICATION.json"""

from decode_common import measure, specification

from mt.inference.translator import Translator
from mt.search.beam import Beam
from mt.search.greedy import Greedy


def main():
    spec = specification()
    translator = Translator.load(spec["checkpoint"], precision=spec["precision"])

    def translate(lines, beam_size):
        search = Greedy() if beam_size == 1 else Beam(size=beam_size, length_penalty=spec["length_penalty"])
        found = translator.translate(lines, search=search, batch_tokens=spec["batch_tokens"])
        return [translation.text for translation in found]

    measure(spec, translate, translate)


if __name__ == "__main__":
    main()
