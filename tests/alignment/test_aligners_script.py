"""`scripts/aligners.py` with aligners of others: stand-ins that read their flags and files and write their format."""

import shlex
import sys

import pytest

from mt.alignment.error_rate import ErrorRate
from tests.alignment.aligners_script import aligners

# As fast_align: lines "source ||| target", links source-target in both directions, -r conditions on the target
FAST_ALIGN = """
import sys
flags = sys.argv[1:]
assert flags[0] == "-i" and flags[2:5] == ["-d", "-o", "-v"] and flags[5:] in ([], ["-r"]), flags
print("ITERATION 1", file=sys.stderr)
for number, line in enumerate(open(flags[1], encoding="utf-8"), start=1):
    source, target = (side.split() for side in line.split("|||"))
    if not source or not target:
        sys.exit(f"Error in line {number}")
    shorter = min(len(source), len(target))
    links = [(place, place) for place in range(shorter)]
    if flags[5:]:
        links += [(len(source) - 1, len(target) - 1)]
    print(" ".join(f"{s}-{t}" for s, t in sorted(set(links))))
"""
# As eflomal: a file a side, and two files of links
EFLOMAL = """
import sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
sides = [open(given[flag], encoding="utf-8").read().split("\\n")[:-1] for flag in ("-s", "-t")]
for flag in ("-f", "-r"):
    with open(given[flag], "w") as output:
        for source, target in zip(*sides):
            output.write(" ".join(f"{i}-{i}" for i in range(min(len(source.split()), len(target.split())))) + "\\n")
"""
ROW = aligners.Row(
    ["ein Haus", "ein großes Haus", "Haus"], ["a house", "a big house here", "house"], ["0-0 1-1", "0-0"]
)


@pytest.fixture
def stand_in(tmp_path):
    def made(text):
        path, program = tmp_path / "aligner", tmp_path / "aligner.py"
        program.write_text(text)
        # by a shell: a path with a blank cannot stand after #!
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(program))} "$@"\n')
        path.chmod(0o755)
        return str(path)

    return made


def written(folder, row):
    for side, lines in (("source", row.sources), ("target", row.targets)):
        (folder / side).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def test_both_directions_of_fast_align_become_one(stand_in, tmp_path):
    result = aligners.fast_align(stand_in(FAST_ALIGN), written(tmp_path, ROW), ROW)
    # pair 1: 0-0 1-1; pair 2: 0-0 1-1 2-2 from both, 2-3 from one beside 2-2; gold is of the first two
    assert result.rate == ErrorRate(num_links=6, num_sure=3, num_in_sure=3, num_in_possible=3)
    assert result.seconds > 0 and result.megabytes > 1
    assert aligners.line_of("toy", 3, "fast_align", result).startswith(
        "| toy | 3 | fast_align | 33.3 | 50.0 | 100.0 |  |"
    )


def test_both_directions_of_eflomal_become_one(stand_in, tmp_path):
    result = aligners.eflomal(stand_in(EFLOMAL), written(tmp_path, ROW), ROW)
    assert result.rate == ErrorRate(num_links=5, num_sure=3, num_in_sure=3, num_in_possible=3)


def test_what_an_aligner_says_when_it_fails_is_shown(stand_in, tmp_path):
    row = aligners.Row(["ein", ""], ["a", "house"], ["0-0"])
    with pytest.raises(SystemExit, match=r"(?s)aligner failed:.*Error in line 2"):
        aligners.fast_align(stand_in(FAST_ALIGN), written(tmp_path, row), row)
