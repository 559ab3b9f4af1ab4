"""Ways to compare a text with a picture by the points of its words and regions, in one table for evaluation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mt.model.shared_space import directions, mean_vectors, word_similarities

# N texts, T words, M pictures, S regions, E width

Similarity = Callable[[Tensor, Tensor, Tensor], Tensor]  # points_NTE, is_word_NT, points_MSE -> similarities_NM


def vectors(points_NTE: Tensor, is_word_NT: Tensor, points_MSE: Tensor) -> Tensor:
    """The cosine of the means."""
    return mean_vectors(points_NTE, is_word_NT) @ mean_vectors(points_MSE, None).T


def words(points_NTE: Tensor, is_word_NT: Tensor, points_MSE: Tensor) -> Tensor:
    """For each word the largest cosine with a region, and of these the mean."""
    return word_similarities(directions(points_NTE, is_word_NT), is_word_NT, directions(points_MSE, None))


def attended_words(points_NTE: Tensor, is_word_NT: Tensor, points_MSE: Tensor, sharpness: float = 9.0) -> Tensor:
    """The cosine of each word with what it finds by attention to the regions, and of these the mean (SCAN).

    Lee et al. 2018, "Stacked Cross Attention for Image-Text Matching", text to image: weights are a softmax of
    `sharpness` times the cosines.
    """
    places_MSE, found = directions(points_MSE, None), []
    for words_TE, is_word_T in zip(directions(points_NTE, is_word_NT), is_word_NT, strict=True):
        words_TE = words_TE[is_word_T]
        weights_MTS = (sharpness * words_TE @ places_MSE.transpose(1, 2)).softmax(dim=-1)
        found.append((directions(weights_MTS @ places_MSE, None) * words_TE).sum(dim=-1).mean(dim=-1))
    return torch.stack(found)


def averaged_attention(points_NTE: Tensor, is_word_NT: Tensor, points_MSE: Tensor) -> Tensor:
    """The cosine of the mean of what words find by attention to the regions, and the mean of the regions.

    Many tutorials take this for a similarity. Both sides mix the same regions, so it hardly depends on the text.
    """
    means_ME, found = directions(points_MSE.mean(dim=1), None), []
    for points_TE, is_word_T in zip(points_NTE, is_word_NT, strict=True):
        scores_MTS = points_TE[is_word_T] @ points_MSE.transpose(1, 2) / points_TE.shape[1] ** 0.5
        mixed_ME = (scores_MTS.softmax(dim=-1).mean(dim=1, keepdim=True) @ points_MSE).squeeze(1)
        found.append((directions(mixed_ME, None) * means_ME).sum(dim=-1))
    return torch.stack(found)


SIMILARITIES: dict[str, Similarity] = {
    "vectors": vectors,
    "words": words,
    "attended words": attended_words,
    "averaged attention": averaged_attention,
}
