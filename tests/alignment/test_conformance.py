"""What is read from a model is the alignment that it learned: of a copy, a reversal, a dictionary with an order."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mt import align
from mt.alignment.alignment import Alignment
from mt.alignment.choice import Choice
from mt.alignment.error_rate import ErrorRate
from mt.alignment.links import argmax_links, to_pharaoh
from mt.alignment.rank_choices import rank
from mt.alignment.tap import Tap
from mt.alignment.words import by_words
from mt.data.source import Text
from mt.data.tokenizer import BOS
from mt.inference.aligner import Aligner
from mt.inference.decodable import BANNED
from mt.search.beam import Beam
from mt.search.greedy import Greedy
from mt.translate import main as translate
from tests.alignment.known import COMPOUNDS, COPY, DICTIONARY, HEADS, LAYERS, REVERSE, Task, as_gold
from tests.alignment.made_up import error_rate

BOUND = 0.02  # alignment error rate that a tiny model may have: it is trained for seconds
SEARCHES = [Greedy(), Beam(size=3)]


@dataclass(frozen=True)
class Known:
    """A task, the model that learned it as `mt.align choose` left it, and 40 pairs of neither training nor choice."""

    task: Task
    model: Path  # as it was trained
    aligner: Aligner
    folder: Path
    sources: list[str]
    targets: list[str]
    links: list[set]

    def align(self, targets=None, **how) -> list[Alignment]:
        return self.aligner.align(self.sources, targets or self.targets, **how)

    def links_of(self, alignments: list[Alignment], targets=None) -> list[set]:
        triples = zip(alignments, self.sources, targets or self.targets, strict=True)
        return [self.aligner.choice.links(by_words(alignment, *texts).weights_TS) for alignment, *texts in triples]

    def error_rate(self, alignments: list[Alignment]) -> ErrorRate:
        return error_rate(self.links_of(alignments), as_gold(self.links))


@pytest.fixture(scope="module", params=[COPY, REVERSE, DICTIONARY], ids=lambda task: task.name)
def known(request, model_of, tmp_path_factory):
    task, folder = request.param, tmp_path_factory.mktemp(request.param.name)
    step = shutil.copytree(model_of(task), folder / "step_000001")
    task.write(folder, "valid", 60, seed=2)
    task.write(folder, "test", 40, seed=3)
    assert align.main(["choose", *flags(folder, "valid"), "--gold", str(folder / "valid.links")]) == 0
    return Known(task, model_of(task), Aligner.load(step, device="cpu"), folder, *task.pairs(40, seed=3))


def flags(folder, name):
    files = [f"--{side}={folder / name}.{side}" for side in ("source", "target")]
    return [f"--checkpoint={folder / 'step_000001'}", "--device=cpu", *files]


def is_same(one: Any, other: Any) -> bool:
    """Whether all maps are the same but for rounding."""
    return all(a.shape == b.shape and np.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True))


def maps(alignments: list[Alignment]) -> list[np.ndarray]:
    return [alignment.weights_TS for alignment in alignments]


def test_links_are_those_that_the_model_learned(known):
    assert known.error_rate(known.align()).aer <= BOUND


def test_the_command_gives_the_same_links_and_error_rate(known):
    out = known.folder / "out"
    gold = ["--gold", str(known.folder / "test.links")]
    align.main([*flags(known.folder, "test"), *gold, "--output", str(out), "--formats", "json,pharaoh"])
    found = known.align()
    assert (out / "links.pharaoh").read_text().splitlines() == [to_pharaoh(line) for line in known.links_of(found)]
    about = json.loads((out / "about.json").read_text())
    assert about["aer"] == round(known.error_rate(found).aer, 6)
    assert about["sink_mass"] == round(sum(each.sink_mass for each in found) / len(found), 4)


@pytest.mark.parametrize("search", SEARCHES, ids=["greedy", "beam"])
def test_own_translations_are_aligned_as_the_same_targets_are_by_force(known, search):
    translations = list(known.aligner.translator.translate(known.sources, search=search))
    texts = [translation.text for translation in translations]
    assert sum(text == target for text, target in zip(texts, known.targets, strict=True)) >= 39
    own, forced = known.align(search=search), known.align(targets=texts)
    assert is_same(maps(known.aligner.align(known.sources, search=search)), maps(forced))
    assert [sorted(links) for links in known.links_of(forced, texts)] == known.aligner.word_links(translations)
    assert known.error_rate(own).aer <= BOUND


def test_translate_prints_the_known_links(known, capsys):
    where = ["--checkpoint", str(known.folder / "step_000001"), "--device", "cpu"]
    translate([*where, "--alignment", *known.sources])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    expected = [[text, to_pharaoh(links)] for text, links in zip(known.targets, known.links, strict=True)]
    assert sum(line == wanted for line, wanted in zip(lines, expected, strict=True)) >= 36


def test_a_map_is_the_same_alone_and_in_a_padded_batch(known):
    assert len({len(source.split()) for source in known.sources}) > 3  # or nothing would be padded
    alone, together = (known.align(batch_tokens=tokens) for tokens in (1, 100_000))
    assert is_same(maps(alone), maps(together))
    assert [each.sink_mass for each in alone] == pytest.approx([each.sink_mass for each in together], abs=1e-5)


@dataclass(frozen=True)
class Watched:
    """A state of decoding with its tap, what each row has read, and its sentence: all reordered as the beam is."""

    state: Any
    tap: Tap
    read_RT: Tensor
    sentence_R: Tensor

    def rows(self, index_R, sentences_N=None):
        state, tap = self.state.rows(index_R, sentences_N), self.tap.rows(index_R)
        return Watched(state, tap, self.read_RT[index_R], self.sentence_R[index_R])


def watched_search(model, source_ids, search):
    """(best ids, weights_LHTS that the tap saw while they were found, a piece at a time) of every source."""
    seen = {}

    def step(tokens_R, watched):
        read_RT = torch.cat([watched.read_RT, tokens_R[:, None]], dim=1)
        states_R1D, state = model.extend(tokens_R[:, None], watched.state, tap=watched.tap)
        for row, weights_LHTS in enumerate(watched.tap.weights()):
            seen[int(watched.sentence_R[row]), tuple(read_RT[row].tolist())] = weights_LHTS
        return model.output(states_R1D[:, 0]), Watched(state, watched.tap, read_RT, watched.sentence_R)

    with torch.inference_mode():
        N = len(source_ids)
        start = model.start(Text.of(source_ids))
        nothing = torch.empty(N, 0, dtype=torch.long)
        found = search(step, Watched(start, Tap(), nothing, torch.arange(N)), max_lengths=[30] * N, banned_ids=BANNED)
    best = [hypotheses[0].ids for hypotheses in found]
    return [(ids, seen[number, (BOS, *ids)]) for number, ids in enumerate(best)]


@pytest.mark.parametrize("search", SEARCHES, ids=["greedy", "beam"])
def test_forced_decoding_sees_what_a_search_saw_piece_by_piece(known, search):
    source_ids = known.aligner.translator.tokenizers.source.encode_many(known.sources[:9])
    found = watched_search(known.aligner.translator.model, source_ids, search)
    forced = known.aligner.attention_of_encoded([Text.of([ids]) for ids in source_ids], [ids for ids, _ in found])
    lengths = [len(ids) + 1 for ids in source_ids]  # padding follows
    seen = [weights_LHTS[..., :length].numpy() for (_, weights_LHTS), length in zip(found, lengths, strict=True)]
    assert is_same([raw.weights_LHTS for raw in forced], seen)


@pytest.mark.parametrize("shift", [0, 1])
def test_a_shift_names_the_step_that_gave_a_piece_or_the_next(known, shift):
    sources = known.sources[:9]
    source_ids = known.aligner.translator.tokenizers.source.encode_many(sources)
    found = watched_search(known.aligner.translator.model, source_ids, Greedy())
    rows = []
    for (ids, weights_LHTS), columns in zip(found, map(len, source_ids), strict=True):
        row_TS = weights_LHTS[1, 0, shift : shift + len(ids), :columns]
        rows.append((row_TS / row_TS.sum(dim=1, keepdim=True)).numpy())
    alignments = known.aligner.align(sources, search=Greedy(), layer=1, heads=(0,), shift=shift, signal="weights")
    assert is_same(maps(alignments), rows)


def test_forced_decoding_sees_what_every_prefix_sees_without_a_cache(known):
    model, tokenizers = known.aligner.translator.model, known.aligner.translator.tokenizers
    source, target = (tokenizers.source.encode(side[0]) for side in (known.sources, known.targets))
    rows = []
    with torch.inference_mode():
        for length in range(len(target) + 1):
            tap = Tap()
            model.extend(torch.tensor([[BOS, *target[:length]]]), model.start(Text.of([source])), tap=tap)
            rows.append(tap.weights()[0, :, :, -1])
    (forced,) = known.aligner.attention(known.sources[:1], known.targets[:1])
    assert is_same([forced.weights_LHTS], [torch.stack(rows, dim=2).numpy()])


def test_layer_heads_and_shift_each_change_the_map(known):
    chosen, maps_of = known.aligner.choice, {}
    for layer in range(LAYERS):
        for heads in [(head,) for head in range(HEADS)] + [tuple(range(HEADS))]:
            for shift in (0, 1):
                alignments = known.align(layer=layer, heads=heads, shift=shift, signal="weights")
                assert {(a.layer, a.heads, a.shift) for a in alignments} == {(layer, heads, shift)}
                maps_of[layer, heads, shift] = np.concatenate([map_TS.ravel() for map_TS in maps(alignments)])
    everything = list(maps_of.values())
    for number, one in enumerate(everything):
        assert all(abs(one - other).max() > 0.01 for other in everything[:number])
    read = known.align(signal="weights")
    plain = maps_of[chosen.layer, chosen.heads, chosen.shift]
    assert np.array_equal(np.concatenate([map_TS.ravel() for map_TS in maps(read)]), plain)


def test_the_other_shift_is_one_piece_off(known):
    early, late = (known.align(shift=shift) for shift in (0, 1))
    # the row that reads a piece is the one that gives the next
    assert is_same([map_TS[1:] for map_TS in maps(early)], [map_TS[:-1] for map_TS in maps(late)])
    wrong = late if known.aligner.choice.shift == 0 else early
    assert known.error_rate(wrong).aer > 0.5
    if known.task is DICTIONARY:  # some of whose words have several pieces
        return
    step = 1 if known.aligner.choice.shift == 0 else -1
    stray, seen = 0, 0
    for found, links, target in zip(known.links_of(wrong), known.links, known.targets, strict=True):
        beside = {(source, number - step) for source, number in links}
        within = {(source, number) for source, number in found if 0 <= number + step < len(target.split())}
        stray, seen = stray + len(within - beside), seen + len(within)
    assert stray <= 2 * BOUND * seen  # here and there the model is wrong itself


def test_special_pieces_are_never_a_row_or_a_column(known):
    tokenizers = known.aligner.translator.tokenizers
    for alignment, source, target in zip(known.align(), known.sources, known.targets, strict=True):
        assert alignment.source_pieces == tokenizers.source.pieces(tokenizers.source.encode(source))
        assert alignment.target_pieces == tokenizers.target.pieces(tokenizers.target.encode(target))
        assert alignment.weights_TS.shape == (len(alignment.target_pieces), len(alignment.source_pieces))
        assert not {"<s>", "</s>", "<pad>"} & {*alignment.source_pieces, *alignment.target_pieces}
        np.testing.assert_allclose(alignment.weights_TS.sum(axis=1), 1, atol=1e-6)


def test_the_sink_is_what_the_rows_that_are_read_leave_on_the_end_of_the_sentence(known):
    raws = known.aligner.attention(known.sources, known.targets)
    for raw in raws:
        assert raw.source_pieces[-1] == raw.target_pieces[-1] == "</s>"
        np.testing.assert_allclose(raw.weights_LHTS.sum(axis=-1), 1, atol=1e-5)
    for layer, head, shift in ((0, 1, 0), (1, 0, 1), (1, 1, 0)):
        alignments = known.align(layer=layer, heads=(head,), shift=shift, signal="weights")
        for raw, alignment in zip(raws, alignments, strict=True):
            rows = slice(shift, len(raw.target_pieces) - 1 + shift)
            assert alignment.sink_mass == pytest.approx(raw.weights_LHTS[layer, head, rows, -1].mean(), abs=1e-6)


def test_the_choice_is_the_first_of_all_and_its_error_rate_that_of_its_links(known):
    sources, targets, links = known.task.pairs(60, seed=2)
    ranked = rank(
        known.aligner.attention(sources, targets, norms=True), as_gold(links), sources=sources, targets=targets
    )
    first = ranked[0]
    assert (first.where(), first.error_rate) == (known.aligner.choice.where(), known.aligner.choice.error_rate)
    assert known.aligner.choice.measured_on == "gold links" and first.error_rate <= BOUND
    for choice in (first, ranked[len(ranked) // 2], ranked[-1]):
        alignments = known.aligner.align(sources, targets, **choice.where())
        found = [
            choice.links(by_words(alignment, *texts).weights_TS)
            for alignment, *texts in zip(alignments, sources, targets, strict=True)
        ]
        assert choice.error_rate == pytest.approx(error_rate(found, as_gold(links)).aer, abs=1e-6)


def choose_without_gold(known, folder, *more):
    """What the choice was measured on, by 60 of 400 pairs without links, and the error rate of what was chosen."""
    step = shutil.copytree(known.model, folder / "step_000001")
    known.task.write(folder, "valid", 400, seed=4)
    align.main(["choose", *flags(folder, "valid"), "--limit", "60", *more])
    choice = Choice.load(step, num_layers=LAYERS, num_heads=HEADS)
    return choice.measured_on, known.error_rate(known.align(**choice.where())).aer


def test_the_statistical_aligner_chooses_as_well_as_gold_links_do(known, tmp_path):
    measured_on, aer = choose_without_gold(known, tmp_path)
    assert measured_on == "links of the statistical aligner" and aer <= BOUND


@pytest.mark.parametrize("known", [COPY, REVERSE], indirect=True, ids=lambda task: task.name)
def test_the_model_of_the_other_direction_chooses_as_well_as_gold_links_do(known, tmp_path):
    """Back from a copy or a reversal is the same again, so that the model can be its own reverse."""
    measured_on, aer = choose_without_gold(known, tmp_path, f"--reverse={tmp_path / 'step_000001'}")
    assert measured_on == "agreement with xx-xx" and aer <= BOUND


@pytest.mark.parametrize("known", [DICTIONARY], indirect=True, ids=lambda task: task.name)
def test_pieces_of_a_word_look_at_the_pieces_of_its_translation(known):
    tokenizer = known.aligner.translator.tokenizers.source
    num_pieces = {word: len(tokenizer.encode(word)) for pair in DICTIONARY.words.items() for word in pair}
    assert {word for word, count in num_pieces.items() if count > 1} == {*COMPOUNDS, *COMPOUNDS.values()}
    within = several = 0
    for alignment, source, target, of_line in zip(
        known.align(), known.sources, known.targets, known.links, strict=True
    ):
        words = by_words(alignment, source, target)
        assert (words.source_pieces, words.target_pieces) == (source.split(), target.split())
        # word of each piece, from the pieces' own sign for a blank
        of_source, of_target = (
            np.cumsum([piece.startswith("▁") for piece in pieces]) - 1
            for pieces in (alignment.source_pieces, alignment.target_pieces)
        )
        found = {(int(of_source[s]), int(of_target[t])) for s, t in argmax_links(alignment.weights_TS)}
        within, several = within + len(found & of_line), several + len(found)
        # a word's row is the mean of its pieces' rows, in which the pieces of a source word are added up
        summed_TW = np.stack(
            [alignment.weights_TS[:, of_source == w].sum(axis=1) for w in range(len(source.split()))], 1
        )
        mean_WW = np.stack([summed_TW[of_target == w].mean(axis=0) for w in range(len(target.split()))])
        np.testing.assert_allclose(words.weights_TS, mean_WW, atol=1e-6)
    assert within / several > 0.95
