"""An encoder-decoder Transformer of mt-trainer for transformers (4.57 and 5): configuration and model.

The names of the parts are those of the model that was trained. It needs torch and transformers alone:
`AutoModelForSeq2SeqLM.from_pretrained(FOLDER, trust_remote_code=True)`.
"""

import math
from typing import Any

import torch
import transformers
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

# B batch, T queries, S keys, D model, H heads, G key-value heads, K head size, N buckets

HIDDEN, DENSE = float("-inf"), {"kind": "dense"}
CACHE = "cache" if "cache" in Seq2SeqLMOutput.__dataclass_fields__ else "past_key_values"  # by the version
IS_NEW = int(transformers.__version__.partition(".")[0]) >= 5


class MtConfig(PretrainedConfig):
    """Sizes and choices of a model. Attention is a variant for each slot: {"kind": "window", "reach": 16}.
    positions  "table" (rows that are added to embedded pieces, stored with the weights), "rotary" or "none"
    tie        "all" (both embeddings and the output are one matrix), "target" or "none"
    """

    model_type = "mt_seq2seq"
    attribute_map = dict(hidden_size="d_model", num_attention_heads="num_heads")  # noqa: RUF012

    def __init__(
        self, vocab_size=8, decoder_vocab_size=8, d_model=8, num_heads=1, num_kv_heads=1, head_size=8,
        encoder_ffn_dims=(8,), decoder_ffn_dims=(8,), activation="relu", norm="layer", norm_epsilon=1e-5, pre_norm=True,
        positions="table", rows=8, rotary_base=10000.0, embedding_scale=1.0, tie="all", encoder_attention=None,
        decoder_attention=None, cross_attention=None, is_encoder_decoder=True, **more
    ):  # fmt: skip
        self.vocab_size, self.decoder_vocab_size = vocab_size, decoder_vocab_size
        self.d_model, self.num_heads, self.num_kv_heads, self.head_size = d_model, num_heads, num_kv_heads, head_size
        self.encoder_ffn_dims, self.decoder_ffn_dims = list(encoder_ffn_dims), list(decoder_ffn_dims)
        self.encoder_layers, self.decoder_layers = len(self.encoder_ffn_dims), len(self.decoder_ffn_dims)
        self.activation, self.norm, self.norm_epsilon, self.pre_norm = activation, norm, norm_epsilon, pre_norm
        self.positions, self.rows, self.rotary_base = positions, rows, rotary_base
        self.embedding_scale, self.tie = embedding_scale, tie
        self.encoder_attention, self.decoder_attention = encoder_attention or DENSE, decoder_attention or DENSE
        self.cross_attention = cross_attention or DENSE
        more["tie_word_embeddings"] = tie != "none"
        super().__init__(is_encoder_decoder=is_encoder_decoder, **more)


def repeated(x_BGSK, heads):
    """Key-value heads, repeated for the heads that share them."""
    groups = x_BGSK.shape[1]
    return x_BGSK if groups == heads else x_BGSK.repeat_interleave(heads // groups, 1)


def rotated(x_BHTK, start, base):
    """Each pair (x_i, x_{i + K/2}) rotated by position * base ** (-2i / K)."""
    half = x_BHTK.shape[-1] // 2
    steps = torch.arange(start, start + x_BHTK.shape[2], device=x_BHTK.device, dtype=torch.float32)
    angles = torch.outer(steps, base ** (-torch.arange(half, device=x_BHTK.device, dtype=torch.float32) / half))
    cos, sin = angles.cos().to(x_BHTK.dtype), angles.sin().to(x_BHTK.dtype)
    left, right = x_BHTK[..., :half], x_BHTK[..., half:]
    return torch.cat((left * cos - right * sin, right * cos + left * sin), -1)


def dense(scores, mixer, mask):
    return scores.softmax(-1)


def window(scores, mixer, mask):
    """At most `reach` positions away; a query without any real neighbour looks at all real keys."""
    near = distances(scores).abs() <= mixer.settings["reach"]
    if mask is not None:
        seen = near & mask
        near = torch.where(seen.any(-1, keepdim=True), seen, mask | ~mask.any(-1, keepdim=True))
    return scores.masked_fill(~near, HIDDEN).softmax(-1)


def distances(scores):
    """From each query to each key; the last query is at the position of the last key."""
    queries, keys = scores.shape[-2:]
    places = torch.arange(keys, device=scores.device)
    return places[None] - places[keys - queries :, None]


def relative(scores, mixer, mask):
    """A learned bias by the bucket of the distance: single distances, then logarithmic ranges."""
    half, single = mixer.settings["buckets"] // 2, mixer.settings["buckets"] // 4
    steps = distances(scores)
    size = steps.abs()
    share = (size.clamp_min(single) / single).log() / math.log(mixer.settings["furthest"] / single)
    grown = (single + (share * (half - single)).long()).clamp_max(half - 1)
    buckets = torch.where(size < single, size, grown) + half * (steps > 0)
    return (scores + mixer.bias_HN.float()[:, buckets]).softmax(-1)


def top_k(scores, mixer, mask):
    least = scores.topk(min(mixer.settings["k"], scores.shape[-1]), -1).values[..., -1:]
    return scores.masked_fill(scores < least, HIDDEN).softmax(-1)


def threshold(scores, mixer, mask):
    """Without the keys whose weight is below a share of the row's largest."""
    share = (scores - scores.amax(-1, keepdim=True)).exp()
    return scores.masked_fill(share < mixer.settings["share"], HIDDEN).softmax(-1)


def rectified(scores, mixer, mask):
    """relu(scores) ** power, rows divided by their sums; a row without a positive score takes its best key."""
    best = scores.amax(-1, keepdim=True)
    positive = (scores.clamp_min(0) / best.where(best > 0, 1.0)) ** mixer.settings["power"]
    kept = positive.where(best > 0, (scores == best).to(positive.dtype))
    return kept / kept.sum(-1, keepdim=True)


def entmax(scores, mixer, mask):
    """Sparsemax (alpha 2, Martins and Astudillo 2016) or 1.5-entmax (Peters et al. 2019), by sorting."""
    alpha = mixer.settings["alpha"]
    z = ((scores - scores.amax(-1, keepdim=True)) * (alpha - 1)).clamp_min(-2.0)
    ranked = z.sort(-1, descending=True).values
    ranks = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
    if alpha == 2:
        sums = ranked.cumsum(-1) - 1
        size = (ranks * ranked > sums).sum(-1, keepdim=True)
        limit = sums.gather(-1, size - 1) / size
    else:
        mean = ranked.cumsum(-1) / ranks
        spread = ranks * ((ranked**2).cumsum(-1) / ranks - mean**2)
        limits = mean - ((1 - spread) / ranks).clamp_min(0).sqrt()
        limit = limits.gather(-1, (limits <= ranked).sum(-1, keepdim=True) - 1)
    return (z - limit).clamp_min(0) ** (1 / (alpha - 1))


WEIGHTS = {
    **dict.fromkeys(("dense", "chunked", "gated", "average", "local", "diagonal"), dense),  # see Mixer
    **{one.__name__: one for one in (window, relative, top_k, threshold, rectified, entmax)},
}


class Mixer(nn.Module):
    """How queries, keys and values mix: the variant of a slot, with what it learned."""

    def __init__(self, settings, heads, size):
        super().__init__()
        self.settings = settings
        width = size if settings.get("per") == "element" else 1
        learned: dict = {
            "relative": {"bias_HN": (heads, settings.get("buckets", 0))},
            "gated": {"weight_HKE": (heads, size, width), "bias_H1E": (heads, 1, width)},
            "local": {"inner_HKK": (heads, size, size), "outer_HK1": (heads, size, 1)},
        }
        for name, shape in learned.get(settings["kind"], {}).items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))

    def bell(self, q_BHTK, keys, mask, start):
        """Added to scores: centres are places that the queries predict ("local"), or their own ("diagonal")."""
        last, places = (
            (keys if mask is None else mask.sum(-1, keepdim=True)) - 1,
            torch.arange(keys, device=q_BHTK.device),
        )
        own = start + torch.arange(q_BHTK.shape[2], device=q_BHTK.device)[:, None]
        if self.settings["kind"] == "local":
            centres = last * ((q_BHTK.float() @ self.inner_HKK).tanh() @ self.outer_HK1).sigmoid()
        else:
            centres = torch.minimum(own, torch.as_tensor(last, device=own.device))
        return -((places - centres) ** 2) / (2 * (self.settings["reach"] / 2) ** 2)

    def forward(self, q_BHTK, k_BGSK, v_BGSK, mask, start):
        """heads_BHTK and weights_BHTS."""
        heads, scale = q_BHTK.shape[1], 0.0 if self.settings["kind"] == "average" else q_BHTK.shape[-1] ** -0.5
        scores = (q_BHTK * scale) @ repeated(k_BGSK, heads).transpose(-1, -2)
        if self.settings["kind"] in ("local", "diagonal"):
            scores = scores + self.bell(q_BHTK, scores.shape[-1], mask, start)
        if mask is not None:
            scores = scores.masked_fill(~mask, HIDDEN)
        weights = WEIGHTS[self.settings["kind"]](scores.float(), self, mask)
        mixed = weights.to(v_BGSK.dtype) @ repeated(v_BGSK, heads)
        if self.settings["kind"] == "gated":
            mixed = (q_BHTK @ self.weight_HKE + self.bias_H1E).sigmoid() * mixed
        return mixed, weights


class Attention(nn.Module):
    """Projections into heads and back, around a mixer."""

    def __init__(self, config, settings, rotary):
        super().__init__()
        self.heads, self.groups, size = config.num_heads, config.num_kv_heads, config.head_size
        self.base = config.rotary_base if rotary else None
        self.query = nn.Linear(config.d_model, self.heads * size)
        self.key_value = nn.Linear(config.d_model, 2 * self.groups * size)
        self.output = nn.Linear(self.heads * size, config.d_model)
        self.mixer = Mixer(settings, self.heads, size)

    def keys_values(self, x_BSD, start):
        k, v = self.key_value(x_BSD).unflatten(-1, (2 * self.groups, -1)).transpose(1, 2).chunk(2, 1)
        return (k if self.base is None else rotated(k, start, self.base)), v

    def forward(self, x_BTD, k, v, mask, start):
        q = self.query(x_BTD).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        mixed_BHTK, weights = self.mixer(q if self.base is None else rotated(q, start, self.base), k, v, mask, start)
        return self.output(mixed_BHTK.transpose(1, 2).flatten(2)), weights


ACTIVATIONS: dict = {"relu": nn.functional.relu, "gelu": nn.functional.gelu, "swish": nn.functional.silu}


class FeedForward(nn.Module):
    def __init__(self, config, width):
        super().__init__()
        self.activation = config.activation
        self.up = nn.Linear(config.d_model, width * (2 if self.activation == "swiglu" else 1))
        self.down = nn.Linear(width, config.d_model)

    def forward(self, x):
        x = self.up(x)
        if self.activation == "swiglu":
            gate, x = x.chunk(2, -1)
            return self.down(nn.functional.silu(gate) * x)
        return self.down(ACTIVATIONS[self.activation](x))


def make_norm(config):
    return (nn.LayerNorm if config.norm == "layer" else nn.RMSNorm)(config.d_model, eps=config.norm_epsilon)


class Residual(nn.Module):
    """x + f(norm(x)), or norm(x + f(x))."""

    def __init__(self, config):
        super().__init__()
        self.norm, self.is_pre = make_norm(config), config.pre_norm

    def before(self, x):
        return self.norm(x) if self.is_pre else x

    def after(self, x, y):
        return x + y if self.is_pre else self.norm(x + y)


class EncoderLayer(nn.Module):
    def __init__(self, config, width):
        super().__init__()
        self.attention = Attention(config, config.encoder_attention, config.positions == "rotary")
        self.feed_forward = FeedForward(config, width)
        self.attention_residual, self.feed_forward_residual = Residual(config), Residual(config)

    def forward(self, x, mask):
        y = self.attention_residual.before(x)
        y, weights = self.attention(y, *self.attention.keys_values(y, 0), mask, 0)
        x = self.attention_residual.after(x, y)
        return self.feed_forward_residual.after(x, self.feed_forward(self.feed_forward_residual.before(x))), weights


class DecoderLayer(nn.Module):
    def __init__(self, config, width, number):
        super().__init__()
        self.number = number
        self.self_attention = Attention(config, config.decoder_attention, config.positions == "rotary")
        self.cross_attention = Attention(config, config.cross_attention, False)
        self.feed_forward = FeedForward(config, width)
        self.self_residual, self.cross_residual, self.feed_forward_residual = (Residual(config) for _ in range(3))

    def forward(self, x, memory, mask, causal, cache, start):
        y = self.self_residual.before(x)
        k, v = self.self_attention.keys_values(y, start)
        if cache is not None:
            k, v = cache.self_attention_cache.update(k, v, self.number)
        y, own = self.self_attention(y, k, v, causal, start)
        x = self.self_residual.after(x, y)
        if cache is not None and cache.is_updated.get(self.number):
            layer = cache.cross_attention_cache.layers[self.number]
            k, v = layer.keys, layer.values
        else:
            k, v = self.cross_attention.keys_values(memory, 0)
            if cache is not None:
                k, v = cache.cross_attention_cache.update(k, v, self.number)
                cache.is_updated[self.number] = True
        y, weights = self.cross_attention(self.cross_residual.before(x), k, v, mask, start)
        x = self.cross_residual.after(x, y)
        x = self.feed_forward_residual.after(x, self.feed_forward(self.feed_forward_residual.before(x)))
        return x, own, weights


class Embedding(nn.Module):
    """Embedded pieces and their positions."""

    def __init__(self, config, size):
        super().__init__()
        self.tokens, self.scale = nn.Embedding(size, config.d_model), config.embedding_scale
        self.table = nn.Embedding(config.rows, config.d_model) if config.positions == "table" else None

    def forward(self, ids, start):
        x = self.tokens(ids) * self.scale
        if self.table is None:
            return x
        if (end := start + ids.shape[1]) > len(self.table.weight):
            raise ValueError(f"{end} pieces are too many: the model has positions for {len(self.table.weight)}")
        return x + self.table.weight[start:end]


class Half(nn.Module):
    def __init__(self, config, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = make_norm(config) if config.pre_norm else nn.Identity()


class Reader(nn.Module):
    """What `generate` calls as the encoder: embedding and layers, parts of the model under their own names."""

    main_input_name = "input_ids"

    def __init__(self, embedding, encoder):
        super().__init__()
        self.parts = (embedding, encoder)  # in a tuple, so that weights have one name

    def forward(self, input_ids=None, attention_mask=None, **_):
        embedding, encoder = self.parts
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None]
        x, maps = embedding(input_ids, 0), []
        for layer in encoder.layers:
            x, weights = layer(x, mask)
            maps.append(weights)
        return BaseModelOutput(last_hidden_state=encoder.norm(x), attentions=tuple(maps))


class MtForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """The model. `labels` give a loss, so that it can be trained further."""

    config_class = MtConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    _no_split_modules = ["EncoderLayer", "DecoderLayer"]  # noqa: RUF012

    def __init__(self, config):
        super().__init__(config)
        self.source_embedding = Embedding(config, config.vocab_size)
        self.target_embedding = Embedding(config, config.decoder_vocab_size)
        self.encoder = Half(config, [EncoderLayer(config, width) for width in config.encoder_ffn_dims])
        self.decoder = Half(config, [DecoderLayer(config, *of[::-1]) for of in enumerate(config.decoder_ffn_dims)])
        self.output = nn.Linear(config.d_model, config.decoder_vocab_size, bias=False)
        tied = {"all": ("output", "source_embedding.tokens"), "target": ("output",), "none": ()}[config.tie]
        ties = {f"{name}.weight": "target_embedding.tokens.weight" for name in tied}
        keys: Any = ties if IS_NEW else list(ties)
        self._tied_weights_keys = keys
        self.post_init()

    def get_encoder(self, *_, **__):
        return Reader(self.source_embedding, self.encoder)

    def get_input_embeddings(self):
        return self.source_embedding.tokens

    def get_output_embeddings(self):
        return self.output

    def tie_weights(self, *args, **more):
        if self.config.tie != "none":
            self.output.weight = self.target_embedding.tokens.weight
        if self.config.tie == "all":
            self.source_embedding.tokens.weight = self.target_embedding.tokens.weight
        if IS_NEW:
            super().tie_weights(*args, **more)

    def prepare_decoder_input_ids_from_labels(self, labels):
        start = labels.new_full((len(labels), 1), self.config.decoder_start_token_id)
        return torch.cat((start, labels[:, :-1].masked_fill(labels[:, :-1] == -100, self.config.pad_token_id)), 1)

    def forward(
        self, input_ids=None, attention_mask=None, decoder_input_ids=None, encoder_outputs=None, cache=None,
        past_key_values=None, use_cache=None, labels=None, output_attentions=None, **_
    ):  # fmt: skip
        if encoder_outputs is None:
            encoder_outputs = self.get_encoder()(input_ids, attention_mask)
        if decoder_input_ids is None and labels is not None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        memory, cache = encoder_outputs[0], past_key_values if cache is None else cache
        if use_cache and cache is None:
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        start, length = 0 if cache is None else cache.get_seq_length(), decoder_input_ids.shape[1]
        causal = None
        if length > 1:
            causal = torch.ones(length, start + length, dtype=torch.bool, device=memory.device).tril(start)[None, None]
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None]
        x, maps = self.target_embedding(decoder_input_ids, start), []
        for layer in self.decoder.layers:
            x, of_self, weights = layer(x, memory, mask, causal, cache, start)
            maps.append((of_self, weights))
        logits, loss = self.output(self.decoder.norm(x)), None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        return Seq2SeqLMOutput(
            loss=loss, logits=logits, encoder_last_hidden_state=memory, **{CACHE: cache},
            decoder_attentions=tuple(of_self for of_self, _ in maps) if output_attentions else None,
            cross_attentions=tuple(weights for _, weights in maps) if output_attentions else None,
        )  # fmt: skip
