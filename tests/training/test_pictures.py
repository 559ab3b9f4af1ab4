"""Training on pictures: a curriculum by length, guides by boxes, and an exact resume of both."""

import os
import signal
from functools import partial

import pytest
import torch

from mt.attention.dense import Dense
from mt.checkpoint.validation import Validation
from mt.data.batching import Cursor, TokenBatches
from mt.data.images.settings import ImageSettings
from mt.data.images.views import Views
from mt.data.mixture import Mixture
from mt.data.prepare import prepare
from mt.data.scenes.source import Scenes
from mt.data.settings import DataSettings
from mt.data.tokenizer import TokenizerSettings
from mt.model.decoder import Decoder
from mt.model.encoder import Encoder
from mt.model.image_encoder import ImageEncoder
from mt.model.layer import LayerSettings
from mt.model.seq2seq import Seq2Seq
from mt.objective.guided import Guidance
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.training.muon import muon
from mt.training.picture_boxes import BoxGuide
from mt.training.source_images import source_images
from tests.conftest import made_once
from tests.training.runs import assert_same, make_trainer, metrics, weights

LENGTHS = {0: 4, 3: 8, 6: None}  # one group of things, two, three; the stages begin within the first five updates


def prepare_scenes(folder):
    data = DataSettings(
        name="scenes",
        source_language="en",
        target_language="de",
        train=Scenes("train", 48, target="de", said="full"),
        valid=Scenes("valid", 4, target="de", said="full"),
        prepared=str(folder),
    )
    return prepare(data, TokenizerSettings(vocab_size=400, model_type="bpe"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return prepare_scenes(made_once(tmp_path_factory, "scenes", prepare_scenes))


def trainer(scenes, folder, *, seed=1, **settings):
    torch.manual_seed(seed)
    model = Seq2Seq(
        layer=LayerSettings(dim=16, num_heads=2, num_kv_heads=2, feed_forward_dim=16, dropout=0.1),
        encoder=partial(Encoder, num_layers=1, self_attention=Dense),
        decoder=partial(Decoder, num_layers=1, self_attention=Dense, cross_attention=Dense),
        source_vocab_size=scenes.tokenizers.source.size,
        target_vocab_size=scenes.tokenizers.target.size,
        beside={
            "image": partial(
                ImageEncoder, size=64, channels=[4, 8, 8], strides=[4, 2, 1], num_layers=1, self_attention=Dense
            )
        },
    )
    reading = {
        "mixture": Mixture(lengths=LENGTHS),
        "views": Views(shift=0.1, zoom=0.2),
        "make_source": source_images(model, scenes, ImageSettings(), None),
        "extra_places": model.image.grid.num_regions,
    }
    return make_trainer(
        scenes,
        folder,
        model=model,
        objective=Guidance(links="boxes", weight=0.5).around(LabelSmoothedCrossEntropy()),
        optimizer=muon,
        guide=BoxGuide(scenes, model, shift=1),
        reading=reading,
        max_tokens=700,
        max_steps=9,
        ema_decay=0.9,
        **settings,
    )


def test_a_picture_has_the_same_view_on_any_rank_and_another_in_another_epoch(scenes, tmp_path):
    trained = trainer(scenes, tmp_path)

    def seen(epoch=0, shift=0.1, **rank):
        reading = {
            "views": Views(shift=shift),
            "make_source": trained.batches.make_source,
            "extra_places": trained.batches.extra_places,
        }
        batches = TokenBatches(scenes.train, scenes.tokenizers, max_tokens=700, seed=1, **reading, **rank)
        batch = batches.read(Cursor(epoch=epoch))[0]
        images = batch.source.parts["image"]
        return {int(pair): images.pixels_NHWC[one] for pair, one in zip(batch.indices, images.numbers_B, strict=True)}

    whole, plain, other = seen(), seen(shift=0.0), seen(epoch=1)
    ranks = seen(rank=0, world_size=2) | seen(rank=1, world_size=2)
    assert whole.keys() == ranks.keys() and all((whole[pair] == ranks[pair]).all() for pair in whole)
    assert any((whole[pair] != plain[pair]).any() for pair in whole)
    assert not any((whole[pair] == other[pair]).all() for pair in whole.keys() & other.keys())


def test_a_run_in_two_parts_with_pictures_and_a_curriculum_is_the_whole_run(scenes, tmp_path):
    whole = trainer(scenes, tmp_path / "whole")
    whole.run()

    def interrupted(model, step):
        os.kill(os.getpid(), signal.SIGTERM)
        return Validation(numbers={"loss": 1.0, "bleu": 1.0})

    outcome = trainer(scenes, tmp_path / "parts", validate=interrupted).run()
    assert outcome.position.step == 5 and outcome.position.cursor.stage == 1
    resumed = trainer(scenes, tmp_path / "parts", seed=7, resume=True)
    resumed.run()
    assert resumed.position.cursor == whole.position.cursor and whole.position.cursor.stage == 2
    assert_same(weights(resumed), weights(whole))
    assert_same(resumed.learner.average.tensors(), whole.learner.average.tensors())
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


def test_targets_grow_with_the_stages(scenes, tmp_path):
    batches, cursor, longest = trainer(scenes, tmp_path / "run").batches, Cursor(), []
    for step in range(9):
        batch, cursor = batches.read(cursor, step=step)
        longest.append(batch.target_in_BT.shape[1] - 1)  # BOS
    assert 0 < max(longest[:3]) <= 4 < max(longest[3:6]) <= 8 < max(longest[6:])
