"""`align corpus`: links of a corpus without a model."""

import numpy as np
import pytest

from mt import align
from mt.alignment.gold import check_gold, from_pharaoh
from mt.evaluation.alignment_reference import learned_links
from mt.training.word_links import learned_lines


def test_a_corpus_is_aligned_without_a_model(tmp_path, capsys):
    rng = np.random.default_rng(1)
    pairs = [[f"w{word}" for word in rng.permutation(30)[:5]] for _ in range(200)]
    (tmp_path / "en").write_text("".join(" ".join(words) + "\n" for words in pairs) + "\n")
    (tmp_path / "de").write_text("".join(" ".join(reversed(words)) + "\n" for words in pairs).upper() + "\n")
    (tmp_path / "gold").write_text("1-5 2-4 3-3 4-2 5-1\n" * 7)
    files = [f"--{name}={tmp_path / file}" for name, file in (("source", "en"), ("target", "de"), ("output", "links"))]
    for more in ([], ["--symmetrize", "grow-diag"], ["--symmetrize", "backward"], ["--hmm-iterations", "0"]):
        assert align.main(["corpus", *files, *more, f"--gold={tmp_path / 'gold'}", "--gold-base=1"]) == 0
        assert (tmp_path / "links").read_text() == "0-4 1-3 2-2 3-1 4-0\n" * 200 + "\n"
        assert capsys.readouterr().out.startswith("AER 0.00  precision 100.00  recall 100.00")


def test_gold_of_the_beginning_of_a_corpus_counts_the_same_in_every_format(tmp_path, capsys):
    lines = ["eins zwei", "zwei drei", "drei eins"] * 9
    for name in ("source", "target"):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "pharaoh").write_text("0-0 1-1\n0-0\n1-1\n")
    (tmp_path / "naacl").write_text("1 1 1\n1 2 2\n2 1 1\n3 2 2\n")
    (tmp_path / "blinker").mkdir()
    for number, text in enumerate(("1 1\n2 2\n", "1 1\n", "2 2\n")):
        (tmp_path / "blinker" / f"samp1.SentPair{number}").write_text(text)
    (tmp_path / "blinker" / "README").write_text("three pairs")
    (tmp_path / "nothing").write_text("")
    flags = [
        "corpus",
        *(f"--{name}={tmp_path / name}" for name in ("source", "target")),
        f"--output={tmp_path / 'out'}",
    ]
    for name in ("pharaoh", "naacl", "blinker"):
        assert align.main([*flags, f"--gold={tmp_path / name}"]) == 0
        # of six links, four are gold and the other two wrong
        assert capsys.readouterr().out == "AER 20.00  precision 66.67  recall 100.00  F1 80.00  (6 links, 4 sure)\n"
    with pytest.raises(ValueError, match="nothing: there are no links"):
        align.main([*flags, f"--gold={tmp_path / 'nothing'}"])


def test_pairs_that_are_left_out_are_counted(tmp_path, caplog):
    caplog.set_level("INFO", "mt.align")
    for name in ("source", "target"):
        (tmp_path / name).write_text("eins zwei\n\n" + "eins " * 201 + "\n")
    files = [f"--{name}={tmp_path / name}" for name in ("source", "target")]
    align.main(["corpus", *files, f"--output={tmp_path / 'links'}"])
    assert (tmp_path / "links").read_text().split("\n")[1:] == ["", "", ""]
    assert caplog.records[0].getMessage() == "2 of 3 pairs have no links: a side is blank or too long"


def test_a_wrong_output_is_reported_before_a_corpus_is_learned_from(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "mt.alignment.statistical_aligner.StatisticalAligner.fit", lambda *_, **__: pytest.fail("it learned")
    )
    (tmp_path / "text").write_text("eins zwei\n")
    files = [f"--{name}={tmp_path / 'text'}" for name in ("source", "target")]
    with pytest.raises(FileNotFoundError):
        align.main(["corpus", *files, f"--output={tmp_path / 'nowhere' / 'links'}"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--hmm-iterations 0 --model1-iterations 0 --fertility-iterations 0",
            r"--model1-iterations, --hmm-iterations, --fertility-iterations \(0, 0, 0\): one of them",
        ),
        ("--units pieces", "--units pieces needs --checkpoint"),
        ("--checkpoint x", "--checkpoint has no effect without --units pieces"),
        ("--samples 0", r"--samples \(0\)"),
        ("--threshold 0", r"--threshold \(0\)"),
    ],
)
def test_what_a_corpus_cannot_be_aligned_with(tmp_path, flags, message):
    files = [f"--{name}={tmp_path / 'text'}" for name in ("source", "target", "output")]
    with pytest.raises(ValueError, match=message):
        align.main(["corpus", *files, *flags.split()])


def test_links_of_a_corpus_lie_within_words_that_only_blanks_part(tmp_path):
    french = [
        "le prix\u00a0: bas",
        "le prix\u00a0: haut",
        "le prix bas",
        "le haut",
        "bas",
        "haut\u3000!",
        "le  prix\tbas",
    ]
    english = ["the price: low", "the price: high", "the price low", "the high", "low", "high!", "the price low"]
    (tmp_path / "fr").write_text("".join(f"{line}\n" for line in french))
    (tmp_path / "en").write_text("".join(f"{line}\n" for line in english))
    files = [f"--source={tmp_path / 'fr'}", f"--target={tmp_path / 'en'}", f"--output={tmp_path / 'links'}"]
    align.main(["corpus", *files, "--symmetrize=union"])
    links = [from_pharaoh(line) for line in (tmp_path / "links").read_text().splitlines()]
    for of_pair, source, target in zip(links, french, english, strict=True):
        check_gold(of_pair, len(source.replace("  ", " ").split(" ")), len(target.split(" ")))
    assert links[0].sure == {(0, 0), (1, 1), (2, 2)}


def test_gold_that_may_count_other_words_is_reported(tmp_path, caplog):
    (tmp_path / "fr").write_text("le prix bas\nle prix\u00a0: bas\n")
    (tmp_path / "en").write_text("the price low\nthe price: low\n")
    files = [f"--{name}={tmp_path / file}" for name, file in (("source", "fr"), ("target", "en"), ("output", "links"))]
    (tmp_path / "gold").write_text("0-0\n")
    align.main(["corpus", *files, f"--gold={tmp_path / 'gold'}"])
    assert "U+00A0" not in caplog.text
    (tmp_path / "gold").write_text("0-0\n0-0 2-1\n")
    align.main(["corpus", *files, f"--gold={tmp_path / 'gold'}"])
    assert "the first is sentence 2 with U+00A0 (NO-BREAK SPACE)" in caplog.text
    (tmp_path / "gold").write_text("0-0\n0-0 3-2\n")
    with pytest.raises(ValueError, match=r"sentence 2: link \(3-2\) .* 3 source and 3 target words, which"):
        align.main(["corpus", *files, f"--gold={tmp_path / 'gold'}"])


def test_links_of_a_corpus_go_to_standard_output(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("source", "target"):
        (tmp_path / name).write_text("eins zwei\nzwei\neins\n")
    (tmp_path / "gold").write_text("0-0 1-1\n")
    align.main(["corpus", "--source=source", "--target=target", "--output=-", "--gold=gold"])
    captured = capsys.readouterr()
    assert captured.out == "0-0 1-1\n0-0\n0-0\n"
    assert "AER 0.00" in captured.err and not (tmp_path / "-").exists()


def noise(tmp_path):
    """Two files whose lines have nothing to do with each other."""
    rng = np.random.default_rng(7)
    for name in ("source", "target"):
        lines = [" ".join("".join(rng.permutation(list("abcdefgh"))) for _ in range(15)) for _ in range(40)]
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return [tmp_path / name for name in ("source", "target")]


def test_links_that_would_be_noise_are_said_by_everything_that_uses_them(tmp_path, caplog):
    source, target = noise(tmp_path)
    align.main(["corpus", f"--source={source}", f"--target={target}", f"--output={tmp_path / 'links'}", "--samples=2"])
    lines = source.read_text().splitlines(), target.read_text().splitlines()
    learned_lines(*lines)
    learned_links(*lines)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 3 and all("many links are noise" in message for message in said)


def test_characters_are_aligned_and_their_positions_are_said(tmp_path, caplog):
    caplog.set_level("INFO", "mt.align")
    (tmp_path / "zh").write_text("我们走\n我们来\n他走\n他来\n" * 5, encoding="utf-8")
    (tmp_path / "en").write_text("WE US GO\nWE US COME\nHE GO\nHE COME\n" * 5)
    files = [f"--{name}={tmp_path / file}" for name, file in (("source", "zh"), ("target", "en"), ("output", "links"))]
    align.main(["corpus", *files, "--units=characters"])
    links = (tmp_path / "links").read_text().splitlines()
    assert "2-2" in links[0].split() and links[2:4] == ["0-0 1-1", "0-0 1-1"]
    assert "positions of links count characters, not words" in caplog.text
    align.main(["corpus", *files])
    assert (tmp_path / "links").read_text().splitlines()[2] == "0-0 0-1"


def test_priors_and_a_dictionary_are_read_and_wrong_lines_are_named(tmp_path):
    for name, text in (("source", "haus ab\n"), ("target", "cd house\n"), ("known", "Haus\thouse\n")):
        (tmp_path / name).write_text(text)
    files = [f"--source={tmp_path / 'source'}", f"--target={tmp_path / 'target'}", f"--output={tmp_path / 'links'}"]
    align.main(["corpus", *files, f"--priors={tmp_path / 'known'}", f"--learned-priors={tmp_path / 'learned'}"])
    assert (tmp_path / "links").read_text() == "0-1 1-0\n"
    assert "haus\thouse\t" in (tmp_path / "learned").read_text()
    (tmp_path / "known").write_text("Haus\thouse\nHaus house\n")
    with pytest.raises(ValueError, match="known, line 2: must be a source word"):
        align.main(["corpus", *files, f"--priors={tmp_path / 'known'}"])
