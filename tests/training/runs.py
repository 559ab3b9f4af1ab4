"""Trainers on the tiny corpus, and what tests compare of them."""

import itertools
import json
from functools import partial

import torch

from mt.attention.dense import Dense
from mt.checkpoint.card import ModelCard
from mt.checkpoint.run_folder import RunFolder
from mt.checkpoint.validation import Validation
from mt.data.batching import TokenBatches
from mt.data.formats.text_files import TextFiles
from mt.data.masking import MASK
from mt.data.prepare import prepare
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.data.settings import DataSettings
from mt.data.several import with_pictures
from mt.data.tokenizer import TokenizerSettings
from mt.device import choose_device
from mt.model.decoder import Decoder
from mt.model.encoder import Encoder
from mt.model.image_encoder import ImageEncoder
from mt.model.layer import LayerSettings
from mt.model.seq2seq import Seq2Seq
from mt.model.shared_space import SharedSpace
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.training.distributed import Ranks
from mt.training.learner import Learner
from mt.training.optimizer import adamw
from mt.training.schedule import InverseSqrt
from mt.training.settings import TrainerSettings
from mt.training.tracker import NoTracker
from mt.training.trainer import Trainer
from mt.training.updater import Updater


def prepare_numbers(corpus_folder, folder):
    """The tiny corpus, prepared in `folder`."""

    def files(name):
        return TextFiles(source=corpus_folder / f"{name}.de", target=corpus_folder / f"{name}.en")

    data = DataSettings(
        name="numbers",
        source_language="de",
        target_language="en",
        train=files("train"),
        valid=files("valid"),
        prepared=str(folder),
    )
    symbols = [MASK]  # for objective=masked_words
    return prepare(
        data, TokenizerSettings(vocab_size=41, byte_fallback=False, model_type="unigram", reserved_symbols=symbols)
    )


PICTURES = [Scene.of(pair.image).picture() for pair in itertools.islice(Scenes("train", 5, target="en"), 5)]
REGIONS = 4  # of a picture


def make_model(prepared, seed=1, dropout=0.1, *, encoder=Dense, decoder=Dense, cross_attention=Dense, **beside):
    """One layer a side, with such attention in its three slots; `beside`: more parts of the model."""
    torch.manual_seed(seed)
    size = prepared.tokenizers.source.size
    return Seq2Seq(
        layer=LayerSettings(dim=32, num_heads=2, num_kv_heads=2, feed_forward_dim=64, dropout=dropout),
        encoder=partial(Encoder, num_layers=1, self_attention=encoder),
        decoder=partial(Decoder, num_layers=1, self_attention=decoder, cross_attention=cross_attention),
        source_vocab_size=size,
        target_vocab_size=size,
        **beside,
    )


def make_seeing_model(prepared, seed=1, dropout=0.1, similarity="vectors", judges=False, has_space=True):
    """The same with an encoder of pictures, and perhaps a space that texts and pictures share."""
    convolutions = {"size": 64, "channels": [4, 8], "strides": [8, 4]}
    image = partial(ImageEncoder, **convolutions, num_layers=1, self_attention=Dense)
    space = partial(SharedSpace, width=8, hidden=12, similarity=similarity, judges=judges)
    return make_model(prepared, seed, dropout, beside={"image": image}, space=space if has_space else None)


def drawn(numbers, pairs, pieces):
    """What the encoder reads of pairs: one in six has no picture, the others share five."""
    return with_pictures(pieces, [(*PICTURES, None)[number % 6] for number in numbers.tolist()], REGIONS)


SEEN = {"make_source": drawn, "extra_places": REGIONS}  # arguments of batches


def count_up(numbers):
    """A validation that gives the next of `numbers` every time, and the last one for ever."""
    left = list(numbers)
    return lambda model, step: Validation(numbers={"loss": 1.0, "bleu": left.pop(0) if len(left) > 1 else left[0]})


def make_trainer(
    prepared,
    folder,
    *,
    validate=None,
    model=None,
    max_tokens=300,
    schedule=None,
    resume=None,
    sampling=None,
    tracker=None,
    ranks=None,
    guide=None,
    objective=None,
    optimizer=adamw,
    reading=None,
    **settings,
):
    """A trainer in the run folder `folder`, which it opens; ranks but the first only look at it.

    `reading` are more arguments of the batches.
    """
    settings = {
        "max_steps": 12,
        "precision": "float32",
        "device": "cpu",
        "validate_every": 5,
        "log_every": 1,
    } | settings
    ranks = ranks or Ranks()
    run = RunFolder.open(folder, {}) if ranks.is_first else RunFolder(folder)
    model = model or make_model(prepared)
    run.describe(ModelCard(model={"size": 1}, source_language="de", target_language="en"), prepared.tokenizers)
    objective = objective or LabelSmoothedCrossEntropy(smoothing=0.1)
    settings = TrainerSettings(**settings)
    return Trainer(
        settings=settings,
        learner=Learner.of(
            settings,
            model,
            device=ranks.device(choose_device(settings.device)),
            objective=objective,
            optimizer=optimizer,
            max_tokens=max_tokens,
            ranks=ranks,
        ),
        batches=TokenBatches(
            prepared.train,
            prepared.tokenizers,
            max_tokens=max_tokens,
            seed=settings.seed,
            sampling=sampling,
            guide=guide,
            rank=ranks.rank,
            world_size=ranks.world_size,
            **(reading or {}),
        ),
        schedule=schedule or InverseSqrt(peak=3e-3, warmup_steps=5),
        validate=validate or count_up([1.0]),
        store=run,
        tracker=tracker or NoTracker(),
        folder=run.path,
        resume=run.resume_point()[1] if resume and ranks.is_first else None,
    )


def fail_above(monkeypatch, max_tokens, message="DefaultCPUAllocator: can't allocate memory: you tried to allocate"):
    """The backward pass of a part with more padded tokens fails halfway, as an allocation would."""
    whole = Updater._backward_in_parts

    def failing(self, parts, *rest):
        for number, part in enumerate(parts):
            if part.padded_tokens > max_tokens:
                whole(self, parts[: number + 1], *rest)  # leaves gradients behind
                raise RuntimeError(message)
        return whole(self, parts, *rest)

    monkeypatch.setattr(Updater, "_backward_in_parts", failing)


class WithPassesThatDiffer:
    """An objective around another, under which the second pass over a batch gives other states than the first.

    Dropout does that, too, but what it drops depends on the shape of the batch, so that parts of a batch cannot give
    the same as the whole.
    """

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, model, batch):
        scales = itertools.cycle([1.0, 1.3])
        hook = model.register_forward_hook(lambda module, arguments, states_BTD: next(scales) * states_BTD)
        loss = self.inner(model, batch)
        hook.remove()
        return loss

    def check(self, model):
        """Every model will do: no dropout is needed."""


def weights(trainer):
    return {name: p.detach().clone() for name, p in trainer.learner.model.named_parameters()}


def own_weights(trainer):
    """Those of the objective."""
    return {name: p.detach().clone() for name, p in trainer.learner.updater.weights.named_parameters()}


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


def metrics(folder, *, without=("seconds", "target_tokens_per_second")):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in without} for line in lines]
