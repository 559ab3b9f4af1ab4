"""The shortlist: with every piece on it nothing changes; without, only what is on it comes out."""

import json
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mt import evaluate, translate
from mt import shortlist as command
from mt.checkpoint.steps import find_step
from mt.data.source import Text
from mt.data.tokenizer import TokenizerPair
from mt.inference.native import NativeTranslator
from mt.inference.options import Options
from mt.inference.shortlist import FILE_NAME, Shortlist
from mt.inference.shortlist_learning import learned
from mt.inference.translator import Translator
from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.search.sampling import Sampling, sentence_generators


def whole(size):
    """A list on which every target piece stands."""
    return Shortlist(np.zeros(size + 1, dtype=int), np.zeros(0, dtype=int), np.arange(size))


@pytest.fixture(scope="module")
def listed(trained_run, corpus_folder, tmp_path_factory):
    """A copy of the trained run, with a shortlist learned from its training text."""
    run = tmp_path_factory.mktemp("listed") / "run"
    shutil.copytree(trained_run, run, symlinks=True)
    texts = ["--source", str(corpus_folder / "train.de"), "--target", str(corpus_folder / "train.en")]
    assert command.main(["--checkpoint", str(run), *texts, "--best", "3", "--frequent", "2"]) == 0
    return run


@pytest.fixture(scope="module")
def lines(corpus_folder):
    return (corpus_folder / "test.de").read_text().splitlines()[:30]


def texts(translator, lines, size=3):
    return [one.text for one in translator.translate(lines, search=Beam(size=size))]


def loaded(run, code, **options):
    """A translator by native code or by torch alone."""
    translator = Translator.load(run, device="cpu", **options)
    if code == "torch":
        translator.native = None
    elif translator.native is None:
        pytest.skip("no native code here")
    return translator


@pytest.mark.parametrize("code", ["native", "torch"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_with_every_piece_on_it_translations_and_scores_stay(trained_run, lines, precision, code, monkeypatch):
    plain = loaded(trained_run, code, precision=precision)
    monkeypatch.setattr(Shortlist, "load", lambda folder, *, source_size, target_size: whole(target_size))
    short = loaded(trained_run, code, precision=precision, shortlist=True)
    for before, after in zip(*(one.translate(lines, search=Beam(size=3)) for one in (plain, short)), strict=True):
        assert after.text == before.text
        assert after.score == pytest.approx(before.score, abs=1e-4)


def test_a_learned_list_is_small_and_translates_as_well(listed, lines):
    sizes = Translator.load(listed, device="cpu").tokenizers.target.size
    found = Shortlist.load((listed / "best").resolve(), source_size=sizes, target_size=sizes)
    assert len(found.pieces) <= 3 * sizes and len(found.frequent) == 2
    assert len(found.candidates([5, 6])) <= 4 + 2 + 2 * 3
    whole_list, short = (Translator.load(listed, device="cpu", shortlist=on) for on in (False, True))
    same = sum(a == b for a, b in zip(texts(whole_list, lines), texts(short, lines), strict=True))
    assert same >= 27


def test_nothing_but_what_is_on_the_list_comes_out(trained_run, lines, monkeypatch):
    plain = Translator.load(trained_run, device="cpu")
    kept = [*range(4), *range(10, 20)]
    few = Shortlist(np.zeros(plain.tokenizers.source.size + 1, dtype=int), np.zeros(0, dtype=int), np.array(kept))
    monkeypatch.setattr(Shortlist, "load", lambda folder, **sizes: few)
    short = Translator.load(trained_run, device="cpu", shortlist=True)
    ids = short.search_ids([Text.of([ids]) for ids in short.tokenizers.source.encode_many(lines)], Beam(size=4))
    assert {id_ for found in ids for hypothesis in found for id_ in hypothesis.ids} <= set(kept)


@pytest.mark.parametrize(
    "search",
    [
        Greedy(),
        Beam(size=1),
        Beam(size=4),
        Beam(size=7, n_best=7, length_penalty=1.0, min_length=3),
        Beam(max_length=2),
    ],
    ids=str,
)
def test_native_translations_by_a_list_are_those_of_torch(listed, lines, search):
    found, expected = (
        loaded(listed, code, shortlist=True).search_ids([Text.of([ids]) for ids in sources(listed, lines)], search)
        for code in ("native", "torch")
    )
    for of_line, of_torch in zip(found, expected, strict=True):
        assert [one.ids for one in of_line] == [one.ids for one in of_torch]
        assert [one.is_finished for one in of_line] == [one.is_finished for one in of_torch]
        assert [one.score for one in of_line] == pytest.approx([one.score for one in of_torch], abs=1e-3)


def test_a_list_is_translated_by_without_torch(listed):
    translator = NativeTranslator.load([listed], Options(device="cpu", shortlist=True))
    expected = loaded(listed, "torch", shortlist=True)
    assert [one.text for one in translator.translate(["zwei drei"])] == texts(expected, ["zwei drei"], 5)


def sources(run, lines):
    return TokenizerPair.load(find_step(run)).source.encode_many(lines)


@pytest.mark.parametrize(
    ("search", "precision", "code"),
    [(one, "float32", "torch") for one in (Beam(size=4), Beam(size=1), Greedy(), Sampling(n_best=3))]
    + [(one, precision, "native") for one in (Beam(size=4), Greedy()) for precision in ("float32", "int8")]
    + [(Beam(size=3), "bfloat16", "torch")],  # which is slow where the processor has no instructions for it
    ids=str,
)
def test_a_sentence_is_translated_by_its_own_candidates_whatever_its_neighbours(listed, lines, search, precision, code):
    """Alone, in any order, in batches of any size: the same bytes; and nothing but its own candidates."""
    short = loaded(listed, code, precision=precision, shortlist=True)
    sources = short.tokenizers.source.encode_many(lines)
    generators = [f"{n}" for n in range(len(lines))]

    def found(order, batch_tokens):
        own = sentence_generators(7, [generators[n] for n in order])
        results = short.search_ids([Text.of([sources[n]]) for n in order], search, batch_tokens, own)
        return {n: [one.ids for one in of_line] for n, of_line in zip(order, results, strict=True)}

    together = found(range(len(lines)), None)
    rng = np.random.default_rng(1)
    for batch_tokens in (1, 20, 70, 500):
        assert found(rng.permutation(len(lines)).tolist(), batch_tokens) == together
    shortlist = short.decodable.shortlist
    for source, hypotheses in zip(sources, map(together.get, range(len(lines))), strict=True):
        assert {id_ for ids in hypotheses for id_ in ids} <= set(shortlist.candidates(source).tolist())


@pytest.mark.parametrize("code", ["native", "torch"])
def test_a_neighbours_candidates_are_not_those_of_a_sentence(trained_run, code, monkeypatch):
    """Two sentences in one batch, of which each has a single word that it may become."""
    plain = Translator.load(trained_run, device="cpu")
    (eins,), (zwei,) = (plain.tokenizers.source.encode(word)[-1:] for word in ("eins", "zwei"))
    one, two = (plain.tokenizers.target.encode(word)[-1] for word in ("one", "two"))
    starts = np.zeros(plain.tokenizers.source.size + 1, dtype=int)
    starts[eins + 1 :] += 1
    starts[zwei + 1 :] += 1
    pieces = np.array([one, two] if eins < zwei else [two, one])
    own = Shortlist(starts, pieces, np.zeros(0, dtype=int))
    monkeypatch.setattr(Shortlist, "load", lambda folder, **sizes: own)
    short = loaded(trained_run, code, shortlist=True)
    first, second = short.search_ids([Text.of([[eins] * 3]), Text.of([[zwei] * 3])], Beam(size=3))
    assert {id_ for found in first for id_ in found.ids} <= {one}
    assert {id_ for found in second for id_ in found.ids} <= {two}


def test_special_pieces_are_always_candidates_and_ids_rise():
    assert whole(3).candidates([1, 2]).tolist() == [0, 1, 2, 3]
    starts = np.array([0, 0, 2, 3])
    found = Shortlist(starts, np.array([9, 7, 8]), np.array([5])).candidates([1, 1, 0])
    assert found.tolist() == [0, 1, 2, 3, 5, 7, 9]


def test_links_decide_the_list():
    """Source piece n is always translated by n + 10."""
    rng = np.random.default_rng(1)
    sources = [rng.integers(4, 9, size=rng.integers(1, 6)).tolist() for _ in range(400)]
    targets = [[id_ + 10 for id_ in source[::-1]] for source in sources]
    found = learned(sources, targets, source_size=9, target_size=20, best=1, frequent=1)
    assert found.pieces.tolist() == [14, 15, 16, 17, 18] and found.starts.tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]
    for name in ("best", "frequent"):
        with pytest.raises(ValueError, match=rf"{name} \(0\) must be .*at least 1"):
            learned(sources, targets, source_size=9, target_size=20, **{name: 0})


@pytest.mark.parametrize(
    "change, message",
    [
        ({"starts": [0, 1]}, "starts must rise from 0 to 2, one for each of 3 pieces"),
        ({"starts": [0, 2, 1, 2]}, "starts must rise"),
        ({"starts": [0, 1, 1, 3]}, "starts must rise"),
        ({"pieces": [4, 99]}, "target ids must be from 0 to 9"),
        ({"frequent": [-1]}, "target ids must be from 0 to 9"),
        ({"pieces": [[4, 5]]}, "must hold starts, pieces and frequent"),
        ({"more": [1]}, "must hold starts, pieces and frequent"),
    ],
    ids=str,
)
def test_a_strangers_list_is_checked(tmp_path, change, message):
    values = {"starts": [0, 1, 1, 2], "pieces": [4, 5], "frequent": [6]} | change
    save_file({name: torch.tensor(row, dtype=torch.int32) for name, row in values.items()}, tmp_path / FILE_NAME)
    with pytest.raises(ValueError, match=message):
        Shortlist.load(tmp_path, source_size=3, target_size=10)


def test_a_checkpoint_without_one_says_how_to_make_it(tmp_path):
    with pytest.raises(ValueError, match=r"has no shortlist: python -m mt.shortlist makes one"):
        Shortlist.load(tmp_path, source_size=3, target_size=10)


def test_wrong_numbers_and_files_are_refused(trained_run, tmp_path):
    (tmp_path / "two").write_text("eins\nzwei\n")
    (tmp_path / "one").write_text("one\n")
    (tmp_path / "blank").write_text("\n")

    def call(source, target, *flags):
        paths = ["--source", str(tmp_path / source), "--target", str(tmp_path / target)]
        command.main(["--checkpoint", str(trained_run), *paths, *flags])

    for flag in ("--best", "--frequent", "--limit"):
        with pytest.raises(ValueError, match=rf"{flag} \(0\) must be .*at least 1"):
            call("two", "two", flag, "0")
    with pytest.raises(ValueError, match="must have equally many lines: 2, 1"):
        call("two", "one")
    with pytest.raises(ValueError, match="have no pair"):
        call("blank", "blank")


def test_the_flag_reaches_the_search_of_both_commands(trained_run, monkeypatch, tmp_path, capsys):
    """With a list of a single word only that word can come out."""
    target = Translator.load(trained_run, device="cpu").tokenizers.target
    one = np.array(target.encode("one"))
    size = target.size
    only = Shortlist(np.zeros(size + 1, dtype=int), np.zeros(0, dtype=int), one)
    monkeypatch.setattr(Shortlist, "load", lambda folder, **sizes: only)
    arguments = ["--checkpoint", str(trained_run), "--shortlist", "--device", "cpu"]
    assert translate.main([*arguments, "zwei drei"]) == 0
    assert set(capsys.readouterr().out.split()) <= {"one"}
    for name, text in (("source", "zwei drei\n"), ("reference", "three two\n")):
        (tmp_path / name).write_text(text)
    files = ["--source", str(tmp_path / "source"), "--reference", str(tmp_path / "reference")]
    assert evaluate.main([*arguments, *files, "--output", str(tmp_path / "out")]) == 0
    assert set((tmp_path / "out").read_text().split()) <= {"one"}


def test_a_list_that_was_changed_or_that_the_manifest_does_not_know_is_refused(trained_run, listed, tmp_path):
    sizes = dict.fromkeys(("source_size", "target_size"), Translator.load(listed, device="cpu").tokenizers.target.size)
    step = shutil.copytree((listed / "best").resolve(), tmp_path / "step")
    Shortlist.load(step, **sizes)
    content = bytearray((step / FILE_NAME).read_bytes())
    content[-1] ^= 1
    (step / FILE_NAME).write_bytes(content)
    with pytest.raises(ValueError, match=f"{FILE_NAME} is damaged or changed"):
        Shortlist.load(step, **sizes)
    manifest = json.loads((step / "manifest.json").read_text())
    manifest["files"].pop(FILE_NAME)
    (step / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=f"{FILE_NAME} is not in manifest.json"):
        Shortlist.load(step, **sizes)


def test_a_list_is_not_read_through_a_link(tmp_path):
    whole_list = {name: torch.zeros(1, dtype=torch.int32) for name in ("starts", "pieces", "frequent")}
    save_file(whole_list, tmp_path / "elsewhere")
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="must be a plain file, not a link"):
        Shortlist.load(tmp_path, source_size=3, target_size=10)


@pytest.mark.parametrize("name", ["starts", "pieces", "frequent"])
def test_a_sparse_list_of_a_gigabyte_is_refused_by_its_header(tmp_path, name):
    rows = {"starts": 4, "pieces": 2, "frequent": 1, name: 2**28}
    header, end = {}, 0
    for one, size in rows.items():
        header[one] = {"dtype": "I32", "shape": [size], "data_offsets": [end, end + 4 * size]}
        end += 4 * size
    text = json.dumps(header).encode()
    with open(tmp_path / FILE_NAME, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"{name} has {2**28} numbers, must have \d+ at most"):
        Shortlist.load(tmp_path, source_size=3, target_size=10)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
