"""Translates as `python -m mt.translate` does: decode_mt.py SPECIFICATION.json

Many lines go to as many processes of one thread as there are cores, one line to this process and all its threads.
"""

import os

from decode_common import measure, specification

from mt.data.workers import Workers
from mt.inference.job import Job
from mt.inference.options import Options
from mt.inference.spread import pieces
from mt.inference.window import Window
from mt.translate_flags import parser


def main():
    spec = specification()
    cores = int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0))
    workers = {}  # by size of the beam, one at a time: they stay, as for a long file
    jobs = {}

    def job(beam_size):
        flags = {"precision": spec["precision"], "beam-size": beam_size}
        flags |= {"length-penalty": spec["length_penalty"], "max-length": spec["max_length"]}
        arguments = [f"--{name}={value}" for name, value in flags.items()] + ["--shortlist"] * spec["shortlist"]
        return Job([spec["checkpoint"]], Options.of(vars(parser().parse_args(arguments))))

    def end_workers():
        while workers:
            workers.popitem()[1].close()

    def translate(lines, beam_size):
        if beam_size not in workers:
            end_workers()
            workers[beam_size] = Workers(job(beam_size), cores)
        parts = [workers[beam_size].submit(piece) for piece in pieces(Window(0, lines), cores)]
        return [line for part in parts for line in texts(part.result())]

    def translate_one(lines, beam_size):
        end_workers()
        if beam_size not in jobs:
            jobs[beam_size] = job(beam_size)
        return texts(jobs[beam_size](Window(0, lines)))

    measure(spec, translate, translate_one)


def texts(rows):
    return rows.text.removesuffix("\n").split("\n")


if __name__ == "__main__":
    main()
