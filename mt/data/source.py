"""A source is a value: an encoder's input from some sentences, pictures or sounds, and facts about them.

Batches and requests make sources, the model's encoder reads them. Code between the two does not look inside: length,
rows, padding and device are methods here. `Text` is one kind; another kind is a class with the same methods, and an
encoder that reads it (`mt.model.encoder.SourceEncoder`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from mt.data.tokenizer import EOS, PAD

# B sources, S source length, P pieces of a sentence

NO_PATH = -1  # between two pieces that are not in the same tree
Rows = slice | Sequence[int] | Tensor
Kind = TypeVar("Kind", bound="Source")


class Source(Protocol):
    """A batch of B sources, each padded to the longest of them."""

    def __len__(self) -> int:
        """B."""
        ...

    @property
    def padded_length(self) -> int:
        """S: places of each source, padding included; the encoder's memory and time grow with it."""
        ...

    @property
    def parts(self) -> Mapping[str, Source]:
        """The sources that it is made of, by the names of the encoders that read them; itself if it is one."""
        ...

    def rows(self: Kind, rows: Rows) -> Kind:
        """Some of the sources, possibly repeated or reordered, padded to the longest of these."""
        ...

    def to(self: Kind, device: torch.device | str) -> Kind:
        """The same sources on another device. Does not wait for a GPU."""
        ...

    @classmethod
    def stacked(cls: type[Kind], sources: Sequence[Kind]) -> Kind:
        """Concatenates several values of this kind."""
        ...


@dataclass(frozen=True, eq=False)
class Text:
    """Sentences as pieces: `ids_BS` (int64) ends each with EOS, then pads it with PAD.

    `tree_distance_BSS` (int8): steps from the word of the first piece up its dependency tree to the lowest word that
    is the word of the second or an ancestor of it; -1 where there is none. None where no sentence has a tree.
    """

    ids_BS: Tensor
    tree_distance_BSS: Tensor | None = None

    @classmethod
    def of(cls, sentences: Sequence[Sequence[int]]) -> Text:
        """Sentences of these pieces, to which EOS is added."""
        return cls(_side_by_side([torch.tensor([*pieces, EOS]) for pieces in sentences]))

    def with_trees(self, distances: Sequence[np.ndarray | None]) -> Text:
        """The same sentences with `tree_distance_PP` of the first P pieces of each; None: no tree."""
        tree_distance_BSS = self._no_paths(len(self), self.padded_length)
        for row, tree_distance_PP in enumerate(distances):
            if tree_distance_PP is not None:
                size = len(tree_distance_PP)
                tree_distance_BSS[row, :size, :size] = torch.from_numpy(tree_distance_PP)
        return Text(self.ids_BS, tree_distance_BSS)

    def __len__(self) -> int:
        return len(self.ids_BS)

    @property
    def padded_length(self) -> int:
        return self.ids_BS.shape[1]

    @property
    def parts(self) -> Mapping[str, Source]:
        return {"text": self}

    def pieces(self) -> list[list[int]]:
        """The ids of each sentence with its EOS, without padding."""
        return [[id_ for id_ in ids if id_ != PAD] for ids in self.ids_BS.tolist()]

    def rows(self, rows: Rows) -> Text:
        ids_BS = self.ids_BS[rows]
        longest = int((ids_BS != PAD).sum(dim=1).max())
        tree_distance_BSS = self.tree_distance_BSS
        if tree_distance_BSS is not None:
            tree_distance_BSS = tree_distance_BSS[rows][:, :longest, :longest]
        return Text(ids_BS[:, :longest], tree_distance_BSS)

    def to(self, device: torch.device | str) -> Text:
        tree_distance_BSS = self.tree_distance_BSS
        return Text(moved(self.ids_BS, device), None if tree_distance_BSS is None else moved(tree_distance_BSS, device))

    @classmethod
    def stacked(cls, sources: Sequence[Text]) -> Text:
        ids_BS = _side_by_side([ids_S for source in sources for ids_S in source.ids_BS])
        if all(source.tree_distance_BSS is None for source in sources):
            return cls(ids_BS)
        tree_distance_BSS, start = cls._no_paths(*ids_BS.shape), 0
        for source in sources:
            if source.tree_distance_BSS is not None:
                end, size = start + len(source), source.padded_length
                tree_distance_BSS[start:end, :size, :size] = source.tree_distance_BSS
            start += len(source)
        return cls(ids_BS, tree_distance_BSS)

    @staticmethod
    def _no_paths(num_sentences: int, length: int) -> Tensor:
        return torch.full((num_sentences, length, length), NO_PATH, dtype=torch.int8)


def stacked(sources: Sequence[Kind]) -> Kind:
    """Concatenates sources of the same kind; some may have other sources beside their text."""
    return type(max(sources, key=lambda source: len(source.parts))).stacked(sources)


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A CPU tensor on `device`; through pinned memory, so that the copy to a GPU is asynchronous."""
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _side_by_side(rows: Sequence[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=PAD)


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """ids_BT, right-padded with PAD."""
    return _side_by_side([torch.tensor([*row]) for row in rows])
