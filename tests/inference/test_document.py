"""Documents through a model that looks at the sentence before: as many lines out as in, each in its context."""

import json
import random
import sys
from itertools import pairwise

import pytest

from mt.data.document import DocumentSettings, contexts
from mt.evaluate import main as evaluate
from mt.inference.document import document_of, in_documents, with_neighbours
from mt.inference.job import Job
from mt.inference.spread import pieces
from mt.inference.translator import Translator
from mt.inference.window import Window
from mt.train import main as train
from mt.translate import main
from tests.conftest import WORDS, composed_settings, train_overrides

AGAIN = "dito"  # means what the sentence before it says


def documents(count, seed):
    """Lines of both sides: a number, in two cases of three the same again, and a blank line."""
    rng = random.Random(seed)
    for _ in range(count):
        word = rng.choice(list(WORDS))
        yield (word, WORDS[word])
        if rng.random() < 2 / 3:
            yield (AGAIN, WORDS[word])
        yield ("", "")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    for name, count, seed in (("train", 800, 1), ("valid", 40, 2), ("test", 40, 3)):
        for side, ending in enumerate(("de", "en")):
            lines = [f"{pair[side]}\n" for pair in documents(count, seed)]
            (folder / f"{name}.{ending}").write_text("".join(lines), encoding="utf-8")
    overrides = [one for one in train_overrides(folder, folder) if "links" not in one]
    train(
        composed_settings(
            [
                *overrides,
                "data/cleaning=off",
                "data.document.context_before=1",
                "data.max_pieces=12",
                "batches.max_tokens=600",
                "schedule.warmup_steps=20",
                "trainer.max_steps=90",
                "trainer.validate_every=90",
                "validation.attention_lines=0",
            ]
        )
    )
    return folder / "run"


@pytest.fixture
def translate(run, capsys, monkeypatch, tmp_path):
    """(flags, standard input) -> lines of standard output."""

    def call(*flags, stdin=""):
        (tmp_path / "stdin").write_text(stdin, encoding="utf-8")
        with (tmp_path / "stdin").open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert main(["--checkpoint", str(run), "--device", "cpu", *flags]) == 0
        return capsys.readouterr().out.split("\n")[:-1]

    return call


def test_the_sentence_before_decides_and_not_that_of_another_document(translate):
    text = "eins\ndito\n\nacht\ndito\n\n\nvier\n"
    assert translate("--document", stdin=text) == ["one", "one", "", "eight", "eight", "", "", "four"]
    assert translate("--document", "drei", "dito", "", "fünf", "dito") == ["three", "three", "", "five", "five"]
    assert translate(stdin="eins\nacht\n") == ["one", "eight"]


def test_the_run_scores_its_tests_in_context(run):
    scores = json.loads((run / "scores.json").read_text())
    assert scores["tests"]["test"]["chrf"] > 99
    card = Translator.load(run, device="cpu")
    assert card.max_pieces == 12
    assert document_of(run) == DocumentSettings(context_before=1)


def test_evaluating_gives_the_same_context(run, capsys):
    files = {side: str(run.parent / f"test.{side}") for side in ("de", "en")}
    flags = ["--checkpoint", str(run), "--source", files["de"], "--reference", files["en"], "--device", "cpu", "--json"]
    chrf = []
    for more in (["--document"], []):
        assert evaluate([*flags, "--metrics", "chrf", *more]) == 0
        (found,) = json.loads(capsys.readouterr().out)["scores"].values()
        chrf.append(found["chrf"])
    assert chrf[0] > 99 > 90 > chrf[1]


def test_other_flags_see_the_sentence_alone(translate):
    text = "eins\ndito\n"
    assert [line.split("\t")[-1] for line in translate("--document", "--alignment", stdin=text)] == ["0-0", "0-0"]
    _, second = map(json.loads, translate("--document", "--json", "--coverage", stdin=text))
    assert (second["source"], second["translations"][0]["text"], second["line"]) == ("dito", "one", 2)
    assert second["translations"][0]["coverage"] in (0.0, 1.0)
    assert translate("--document", "--markup", stdin="<b>acht</b>\n<i>dito</i>\n") == ["<b>eight</b>", "<i>eight</i>"]
    assert len(translate("--document", "--n-best", "2", "--scores", stdin=text)) == 4


def test_context_that_does_not_fit_is_left_out_and_said(translate, caplog):
    text = "eins eins eins eins eins eins eins eins eins eins\ndito\n"
    assert len(translate("--document", stdin=text)) == 2
    assert "line 2: 1 sentences of context left out: with them, more than 12 pieces" in caplog.text
    caplog.clear()
    assert len(translate("--document", stdin="eins zwei. " * 10 + "\n")) == 1
    assert "line 1: split into" in caplog.text


def test_a_killed_translation_goes_on_with_the_context_before_it(run, tmp_path):
    lines = [source for source, _ in documents(60, 5)]
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    flags = ["--checkpoint", str(run), "--device", "cpu", "--document", "--input", str(tmp_path / "in")]
    output, unfinished = tmp_path / "out", tmp_path / "out.unfinished"
    assert main([*flags, "--output", str(output)]) == 0
    whole = output.read_text()
    assert whole.count("\n") == len(lines)
    first_again = lines.index(AGAIN)  # the cut comes between a sentence and its context
    output.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mt.inference.input_lines.WINDOW", first_again)
        patch.setattr("mt.inference.job.Job.__call__", _once(Job.__call__))
        with pytest.raises(KeyboardInterrupt):
            main([*flags, "--output", str(output)])
    assert unfinished.read_text().count("\n") == first_again
    assert main([*flags, "--output", str(output)]) == 0
    assert output.read_text() == whole


def _once(call):
    """The job, killed at its second window."""
    called = []

    def job(self, window):
        if called:
            raise KeyboardInterrupt
        called.append(window)
        return call(self, window)

    return job


def test_a_checkpoint_without_context_is_refused(trained_run):
    with pytest.raises(ValueError, match=r"--document: .* was trained on single sentences"):
        main(["--checkpoint", str(trained_run), "--document", "eins"])


LINES = ["a", "b", "", "c", "d", "e", " ", "", "f", "g", "h", "i", "j"]


@pytest.mark.parametrize("settings", [(2, 0), (0, 2), (1, 3)], ids=str)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_windows_of_any_part_have_the_context_of_the_whole(settings, size):
    document = DocumentSettings(context_before=settings[0], context_after=settings[1])
    whole = contexts(LINES, document)
    for bounds in pairwise([0, 4, 5, len(LINES)]):
        wanted = range(*bounds)
        read = with_neighbours(wanted, document)
        chosen = [(number, LINES[number]) for number in read if number < len(LINES)]
        windows = [(chosen[n][0], [line for _, line in chosen[n : n + size]]) for n in range(0, len(chosen), size)]
        found = list(in_documents(windows, wanted, document))
        assert [line for window in found for line in window.lines] == LINES[wanted.start : wanted.stop]
        assert [context for window in found for context in window.contexts] == whole[wanted.start : wanted.stop]
        assert [window.first for window in found] == [
            wanted.start + sum(len(before.lines) for before in found[:n]) for n in range(len(found))
        ]


def test_a_line_is_not_kept_waiting_for_another_document():
    document = DocumentSettings(context_after=2)
    reader = in_documents(iter([(0, ["a", "b"]), (2, [""]), (3, ["c"])]), range(sys.maxsize), document)
    assert [window.lines for window in reader] == [["a", "b", ""], ["c"]]


def test_pieces_of_a_window_keep_their_contexts_and_trees():
    lines = [f"{number}" for number in range(200)]
    window = Window(7, lines, contexts(lines, DocumentSettings(context_before=2)), [f"0 {line}" for line in lines])
    found = list(pieces(window, 3))
    assert len(found) > 1
    assert [context for piece in found for context in piece.contexts] == window.contexts
    assert all(len(piece.contexts) == len(piece.lines) for piece in found)
    assert [(line, tree) for piece in found for line, tree in zip(piece.lines, piece.trees, strict=True)] == list(
        zip(lines, window.trees, strict=True)
    )
