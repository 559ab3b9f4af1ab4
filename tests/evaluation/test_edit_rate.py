"""TER of long lines: bounded by leaving out moves, which is said; of others exactly sacrebleu's."""

import random

import pytest
from sacrebleu.metrics import TER

from mt.evaluate import main
from mt.evaluation import edit_rate
from mt.evaluation.edit_rate import MOST_WORDS, edit_distance, edits_without_moves
from mt.evaluation.scores import score, ter_without_moves

WORDS = [f"w{n}" for n in range(50)]


def line(num_words, seed):
    return " ".join(random.Random(seed).choices(WORDS, k=num_words))


def table_distance(words, others):
    """The textbook's table, a row at a time."""
    row = list(range(len(others) + 1))
    for n, word in enumerate(words, start=1):
        new = [n]
        for m, other in enumerate(others, start=1):
            new.append(min(new[-1] + 1, row[m] + 1, row[m - 1] + (word != other)))
        row = new
    return row[-1]


def test_the_distance_is_that_of_the_table():
    draw = random.Random(1)
    for _ in range(500):
        pair = [draw.choices("abcd", k=draw.randint(0, 12)) for _ in range(2)]
        assert edit_distance(*pair) == table_distance(*pair), pair


def test_in_blocks_it_is_an_upper_bound(monkeypatch):
    one, other = line(300, 1).split(), line(290, 2).split()
    fewest = edits_without_moves(one, other)
    assert fewest == table_distance(one, other)
    monkeypatch.setattr(edit_rate, "BLOCK", 40)
    assert fewest <= edits_without_moves(one, other) <= 300
    assert edits_without_moves(one, one) == 0 and edits_without_moves([], one) == 300


@pytest.mark.parametrize("ter", ["tercom", "asian", "char"])
def test_up_to_the_bound_it_is_sacrebleus(ter):
    hypotheses, references = [line(MOST_WORDS, 1), line(7, 2)], [f"w1 {line(MOST_WORDS - 1, 1)}", line(8, 2)]
    oracle = TER(normalized=ter != "tercom", asian_support=ter != "tercom")
    found = score(hypotheses, [references], metrics=["ter"], ter=ter)
    assert found.ter == oracle.corpus_score(hypotheses, [references]).score
    assert "no-moves" not in found.signatures["ter"] and ter_without_moves(found) is None


def test_longer_lines_are_counted_without_moves():
    moved = "a b c d " + line(MOST_WORDS, 1)
    reference = line(MOST_WORDS, 1) + " a b c d"
    found = score([moved, "e f"], [[reference, "e g"], ["h", "e f"]], metrics=["ter"])
    # 4 deletions, 4 insertions; the second reference of either line says which is nearer
    assert found.ter == pytest.approx(100 * 8 / ((MOST_WORDS + 4 + 1) / 2 + 2))
    assert "no-moves:1|" in found.signatures["ter"]
    assert "no moves in 1 lines of more than 500 words" in ter_without_moves(found)


@pytest.mark.parametrize("ter", ["tercom", "char"])
def test_the_numbers_that_are_held_grow_with_the_line_alone(ter, monkeypatch):
    """Bits of the columns times their number, over lines of n, 2n and 4n words."""
    monkeypatch.setattr(edit_rate, "BLOCK", 1000)

    def costs(num_words):
        held = []
        real = edit_distance
        monkeypatch.setattr(edit_rate, "edit_distance", lambda a, b: held.append(len(a) * len(b)) or real(a, b))
        score([line(num_words, 1)], [[line(num_words, 2)]], metrics=["ter"], ter=ter)
        monkeypatch.setattr(edit_rate, "edit_distance", real)
        return sum(held)

    assert [costs(n * 1000) for n in (1, 2, 4)] == [n * 1000**2 for n in (1, 2, 4)]


@pytest.mark.slow  # long lines
def test_the_command_says_so(tmp_path, capsys, caplog):
    for name, seed in (("hypotheses", 1), ("reference.en", 2)):
        (tmp_path / name).write_text(f"{line(32_000, seed)}\nw1 w2\n", "utf-8")
    flags = ["--hypotheses", str(tmp_path / "hypotheses"), "--reference", str(tmp_path / "reference.en")]
    assert main(flags) == 0
    assert "TER counts no moves in 1 lines of more than 500 words" in caplog.text
    assert "TER" in capsys.readouterr().out
