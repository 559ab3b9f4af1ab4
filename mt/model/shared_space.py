"""A space that texts, pictures and sounds share: what belongs together lies close (CLIP, Radford et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from mt.kernels.linear import Linear
from mt.model.layer import LayerSettings

# N texts, M things (pictures or sounds), T words of a text, S places of a thing, D model, E width of the space

SIMILARITIES = ("vectors", "words")
FIRST_TEMPERATURE = 0.07
MOST_SCALE = 100.0  # 1 / temperature
TEXTS_AT_ONCE = 32  # whose words are compared with all places at once


class SharedSpace(nn.Module):
    """Learned projections of the decoder's states of a text, and of the states of each source in `names`, to `width`.

    A projection is two linear layers with ReLU (`hidden`) between them. `similarity` says what is compared: "vectors"
    the cosine of the means of all points; "words" for each word the largest cosine with a place, and of these the mean
    (late interaction: ColBERT, Khattab and Zaharia 2020; FILIP, Yao et al. 2022). `log_scale` is learned: similarities
    times `scale` are logits. The scale is at most 100, as in CLIP. With `judges` there is also a linear layer that
    judges, by the decoder's state after the last word, whether a text is true of a picture (`Seq2Seq.judge`).
    """

    def __init__(
        self,
        *,
        settings: LayerSettings,
        names: Sequence[str],
        width: int = 128,
        hidden: int = 256,
        similarity: str = "vectors",
        judges: bool = False,
    ):
        super().__init__()
        for name, value in (("width", width), ("hidden", hidden)):
            if value < 1:
                raise ValueError(f"space.{name} ({value}) must be at least 1")
        if similarity not in SIMILARITIES:
            raise ValueError(f"space.similarity ({similarity}) must be one of {', '.join(SIMILARITIES)}")
        self.width, self.similarity = width, similarity
        self.text = Projection(settings.dim, hidden, width)
        self.things = nn.ModuleDict({name: Projection(settings.dim, hidden, width) for name in names})
        self.judge = Linear(settings.dim, 1) if judges else None
        self.log_scale = nn.Parameter(torch.tensor([-math.log(FIRST_TEMPERATURE)]))  # FSDP2 needs a dimension

    @property
    def names(self) -> list[str]:
        """Sources beside text that have a place in the space."""
        return list(self.things)

    @property
    def has_vectors(self) -> bool:
        """Whether single vectors are compared."""
        return self.similarity == "vectors"

    def scale(self) -> Tensor:
        """1 / temperature, of shape (1,); its gradient does not push it above its bound."""
        return _AtMost.apply(self.log_scale, math.log(MOST_SCALE)).exp()

    def of_text(self, states_NTD: Tensor, is_word_NT: Tensor) -> Tensor:
        """What is compared of texts: vectors_NE, or words_NTE, of length 1 (0 for what is no word)."""
        return self._compared(self.text(states_NTD), is_word_NT)

    def of(self, name: str, states_MSD: Tensor) -> Tensor:
        """What is compared of pictures or sounds: vectors_ME, or places_MSE, of length 1."""
        return self._compared(self.things[name](states_MSD), None)

    def similarities(self, texts: Tensor, is_word_NT: Tensor, things: Tensor) -> Tensor:
        """similarities_NM of what `of_text` and `of` gave."""
        return texts @ things.T if self.has_vectors else word_similarities(texts, is_word_NT, things)

    def _compared(self, points_NSE: Tensor, is_real_NS: Tensor | None) -> Tensor:
        return mean_vectors(points_NSE, is_real_NS) if self.has_vectors else directions(points_NSE, is_real_NS)


class Projection(nn.Module):
    """Two linear layers with ReLU between them."""

    def __init__(self, dim: int, hidden: int, width: int):
        super().__init__()
        self.into, self.out = Linear(dim, hidden, relu=True), Linear(hidden, width)

    def forward(self, states_NSD: Tensor) -> Tensor:
        """points_NSE."""
        return self.out(self.into(states_NSD)).float()


class _AtMost(torch.autograd.Function):
    """A number, at most `most`; a gradient whose step would lead further up is dropped."""

    @staticmethod
    def forward(context, x, most):
        context.is_at_most = x >= most
        return x.clamp(max=most)

    @staticmethod
    @once_differentiable
    def backward(context, gradient):
        return torch.where(context.is_at_most & (gradient < 0), 0.0, gradient), None


def mean_vectors(points_NSE: Tensor, is_real_NS: Tensor | None) -> Tensor:
    """vectors_NE of length 1: the direction of the mean of the real points (None: all are)."""
    if is_real_NS is not None:
        points_NSE = points_NSE * is_real_NS.unsqueeze(-1)
    return nn.functional.normalize(points_NSE.sum(dim=1), dim=-1, eps=1e-6)


def directions(points_NSE: Tensor, is_real_NS: Tensor | None) -> Tensor:
    """Each point at length 1; those that are not real become 0."""
    unit_NSE = nn.functional.normalize(points_NSE, dim=-1, eps=1e-6)
    return unit_NSE if is_real_NS is None else unit_NSE * is_real_NS.unsqueeze(-1)


def word_similarities(words_NTE: Tensor, is_word_NT: Tensor, places_MSE: Tensor) -> Tensor:
    """similarities_NM: for each word the largest cosine with a place, and of these the mean over the words."""
    parts = [
        checkpoint(_word_similarities, *part, places_MSE, use_reentrant=False, preserve_rng_state=False)
        for part in zip(words_NTE.split(TEXTS_AT_ONCE), is_word_NT.split(TEXTS_AT_ONCE), strict=True)
    ]
    return torch.cat(parts)


def _word_similarities(words_CTE: Tensor, is_word_CT: Tensor, places_MSE: Tensor) -> Tensor:
    best_CTM = (words_CTE.flatten(0, 1) @ places_MSE.flatten(0, 1).T).unflatten(1, places_MSE.shape[:2]).amax(dim=-1)
    best_CTM = best_CTM.unflatten(0, words_CTE.shape[:2]) * is_word_CT.unsqueeze(-1)
    return best_CTM.sum(dim=1) / is_word_CT.sum(dim=1, keepdim=True).clamp_min(1)
