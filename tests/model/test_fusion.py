"""Several sources as one memory: each way leaves text alone as it is, and depends on no neighbour and no division."""

from functools import partial

import numpy as np
import pytest
import torch

from mt.attention.by_source import BySource
from mt.attention.dense import Dense
from mt.data.pair import Pair
from mt.data.several import Several, another_picture
from mt.data.source import Text
from mt.inference.packed import pack
from mt.model.fusion import Gated, Joined, Mutual
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.training.picture_boxes import BoxGuide
from tests.model.test_image_encoder import LENGTHS, PICTURED, REGIONS, batch_of, gradients_of, make

FUSIONS = {
    "joined": {"fusion": Joined},
    "gated": {"fusion": partial(Gated, attention=Dense)},
    "gated, text alone": {"fusion": partial(Gated, attention=Dense, is_text_alone=True)},
    "mutual": {"fusion": partial(Mutual, attention=Dense)},
    "mutual, two layers": {"fusion": partial(Mutual, attention=Dense, num_layers=2)},
    "by source": {"cross_attention": BySource},
}
BATCH = batch_of(PICTURED, LENGTHS)
NONE = 3  # the place of the sentence without a picture


@pytest.fixture(params=FUSIONS, ids=str)
def settings(request):
    return FUSIONS[request.param]


@pytest.mark.slow  # trains
def test_one_batch_is_four_parts_is_two_ranks(settings):
    objective = LabelSmoothedCrossEntropy(smoothing=0.1)
    whole = gradients_of(make(**settings), objective, [BATCH], BATCH.num_tokens)
    in_four = [BATCH._rows(slice(start, start + 2)) for start in range(0, 8, 2)]
    of_ranks = [BATCH._rows(torch.arange(rank, 8, 2)) for rank in range(2)]
    assert "fusion" in {name.partition(".")[0] for name in whole} or settings in (
        FUSIONS["joined"],
        FUSIONS["by source"],
    )
    for parts in (in_four, of_ranks):
        found = gradients_of(make(**settings), objective, parts, BATCH.num_tokens)
        for name, gradient in whole.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6)


def test_a_sentence_without_a_picture_is_that_of_its_text_alone(settings):
    model = make(**settings).eval()
    with torch.no_grad():
        together = model(BATCH.source, BATCH.target_in_BT)
        alone = model(BATCH.source.parts["text"].rows([NONE]), BATCH.target_in_BT[NONE : NONE + 1])
        moved = (together - model(another_picture(BATCH.source), BATCH.target_in_BT)).abs().amax(dim=(1, 2))
    torch.testing.assert_close(alone, together[NONE : NONE + 1], rtol=1e-4, atol=1e-5)
    assert (moved > 1e-5).tolist() == [picture is not None for picture in PICTURED]


def test_parts_of_the_memory_stay_in_their_order_and_step_by_step_is_all_at_once(settings):
    model = make(**settings).eval()
    memory = model.encode(BATCH.source)
    expected = [("image", REGIONS), ("text", 3)] if model.fusion.keeps_regions else [("text", 3)]
    assert [part[:2] for part in memory.parts] == expected
    with torch.no_grad():
        full, state = model.output(model(BATCH.source, BATCH.target_in_BT)), model.start(BATCH.source)
        for place in range(3):
            logits, state = model.step(BATCH.target_in_BT[:, place], state)
            torch.testing.assert_close(logits, full[:, place], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_in_bfloat16_sources_are_fused_in_float32_without_a_warning(settings, norm, recwarn):
    memory_of = {}
    for exact in (True, False):
        model = make(norm=norm, **settings)
        for layer in model.modules():  # as final norms do where the width suits the kernels
            if not exact and getattr(layer, "before_product", False):
                layer.register_forward_hook(lambda _, inputs, out: out.bfloat16())
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=not exact):
            memory_of[exact] = model.encode(BATCH.source).states_BSD
    assert memory_of[True].dtype == torch.float32
    torch.testing.assert_close(memory_of[False].float(), memory_of[True].float(), rtol=0.05, atol=0.05)
    assert not [str(warning.message) for warning in recwarn if issubclass(warning.category, UserWarning)]


def test_a_packed_model_is_the_same_to_rounding(settings):
    model = make(**settings).eval()
    with torch.no_grad():
        plain = model.output(model(BATCH.source, BATCH.target_in_BT))
        pack(model, torch.float32)
        torch.testing.assert_close(model.output(model(BATCH.source, BATCH.target_in_BT)), plain, rtol=1e-3, atol=1e-4)


def states(fusion, source):
    model = make(fusion=fusion).eval()
    with torch.no_grad():
        return model.encode(source)


def test_in_mutual_fusion_a_picture_reads_the_text_and_the_text_the_picture():
    other_text = Several({**BATCH.source.parts, "text": Text.of([[7, 8]] * len(BATCH.source))})
    for fusion, reads in ((Joined, set()), (FUSIONS["gated"]["fusion"], {"text"}), (FUSIONS["mutual"]["fusion"], None)):
        now = states(fusion, BATCH.source)
        of_text, of_picture = states(fusion, another_picture(BATCH.source)), states(fusion, other_text)
        changed = {
            name
            for name, other in (("text", of_text), ("image", of_picture))
            if not torch.equal(now.states_BSD[:, now.places(name)], other.states_BSD[:, other.places(name)])
        }
        assert changed == ({"text", "image"} if reads is None else reads)


def test_a_shut_gate_lets_nothing_through():
    model = make(**FUSIONS["gated"]).eval()
    with torch.no_grad():
        gate = model.fusion.readers["image"].gate
        gate.weight.zero_()
        gate.bias.fill_(-100.0)
        memory = model.encode(BATCH.source)
        plain = model.encoder(BATCH.source.parts["text"], model.source_embedding.read)
    torch.testing.assert_close(memory.states_BSD[:, memory.places("text")], plain.states_BSD)


def test_by_source_is_dense_on_text_alone_and_gates_sources_otherwise():
    dense, by_source = (make(cross_attention=mixer).eval() for mixer in (Dense, BySource))
    by_source.load_state_dict(dense.state_dict(), strict=False)
    text = BATCH.source.parts["text"]
    assert torch.equal(dense(text, BATCH.target_in_BT), by_source(text, BATCH.target_in_BT))
    mixer = by_source.decoder.layers[0].cross_attention.mixer
    memory = by_source.encode(BATCH.source)
    attention = by_source.decoder.layers[0].cross_attention
    summary = attention.summarize(memory.states_BSD, memory.mask_B11S, memory.source_facts)
    query_BTD = torch.randn(8, 2, 24)
    with torch.no_grad():
        mixer.gate_HKM.zero_()
        mixer.bias_H1M.copy_(torch.tensor([0.0, 2.0, 5.0]))  # sound, which nobody has, does not count
        weights_BHTS = attention.read_weights(query_BTD, summary)
    on_picture = weights_BHTS[..., memory.places("image")].sum(-1)
    expected = torch.tensor([0.0, 2.0]).softmax(0)[1]
    for row, picture in enumerate(PICTURED):
        torch.testing.assert_close(on_picture[row], torch.full((4, 2), 0.0 if picture is None else float(expected)))


def test_fusions_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"fusion.num_layers \(0\) must be from 1"):
        make(fusion=partial(Mutual, attention=Dense, num_layers=0))
    with pytest.raises(ValueError, match="fusion needs another source than text"):
        make(is_seeing=False, fusion=Joined)


class Words:
    """What `BoxGuide` asks of a prepared corpus."""

    class tokenizers:
        class target:
            size = 4

            @staticmethod
            def pieces(ids):
                return ["</s>", "▁a", "▁red", "▁star"]


@pytest.mark.parametrize("pictures", [[True, False], [False, False]], ids=["with a picture", "of text alone"])
def test_a_guide_by_boxes_is_as_wide_as_what_the_batch_has(pictures):
    pairs = [
        Pair("s", "a red star", boxes="2:0,0,16,16" if has else None, picture=PICTURED[0] if has else None)
        for has in pictures
    ]
    guide_BTS = BoxGuide(Words, make(), shift=1)(pairs, np.zeros((2, 5)), np.array([[1, 2, 3, 0]] * 2))
    assert guide_BTS.shape == (2, 4, 5 + (REGIONS if any(pictures) else 0))
    assert guide_BTS[:, :, -5:].sum() == 0 and bool(guide_BTS.any()) == any(pictures)
