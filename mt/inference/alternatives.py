"""Translations that differ right after a prefix: what else could stand there, each with the best way to go on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from mt.data.document import Context
from mt.inference.job import Job
from mt.inference.request import NO_CONTEXT
from mt.inference.window import Window

BROKEN = "\ufffd"  # of a character that several pieces spell, and only some are there
SPARE = 4  # next pieces beyond those asked for, since some only end the prefix's last word in another way


def alternatives(job: Job, line: str, context: Context = NO_CONTEXT) -> dict[str, Any]:
    """The record of a line with up to `n_best` translations that begin with the job's prefix, whole words, best first.

    A beam search keeps many endings of one beginning. So the likeliest next pieces are searched first, with a limit of
    one piece more than the prefix, and then the best translation that begins with each. Raises ValueError as the job
    does.
    """
    options, tokenizer = job.options, job.load().tokenizers.target
    line = line.replace("\t", " ")  # which separates the prefix below
    size = len(tokenizer.encode(options.prefix)) if options.prefix else 0
    width = options.n_best + SPARE
    starting = replace(options, json=True, n_best=width, beam_size=width, max_length=size + 1, min_length=0)
    starting = replace(starting, alignment=False, coverage=False, confidence=False, terms=None)
    first = _records(job.with_options(starting), [line], context)[0]
    found = dict.fromkeys(one.get("plain_text", one["text"]) for one in first["translations"])
    starts = [text for text in found if BROKEN not in text]
    # in scripts without blanks no start begins a word of its own
    new_words = [text for text in starts if f"{text} ".startswith(f"{options.prefix} ")] if options.prefix else []
    lines = [f"{line}\t{start}" for start in new_words or starts or [options.prefix]]
    records = _records(job.with_options(replace(options, json=True, n_best=1, prefix_column=2)), lines, context)
    best = {record["translations"][0]["text"]: record["translations"][0] for record in records}
    ordered = sorted(best.values(), key=lambda one: -(one["score"] if one["score"] is not None else float("inf")))
    return {**records[0], "translations": ordered[: options.n_best]}


def _records(job: Job, lines: list[str], context: Context) -> list[dict[str, Any]]:
    rows = job(Window(0, lines, [context] * len(lines)))
    return [json.loads(row) for row in rows.text.split("\n")[:-1]]
