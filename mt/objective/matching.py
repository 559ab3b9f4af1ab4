"""Matching: whether a text is true of a picture, learned with hard negatives (ALBEF, Li et al. 2021)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mt.attention.source_facts import UNKNOWN
from mt.data.batching import Batch
from mt.data.tokenizer import BOS
from mt.data.whole_update import Rows, concatenated, rows_of_update
from mt.model.memory import Memory
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective
from mt.objective.contrastive import Contrastive
from mt.objective.draws import between
from mt.objective.pairs import Pairs, true_pairs
from mt.objective.two_passes import check_weight

# N pairs of this part that have a picture (or sound), M those of the whole update, R what is judged, T target
# positions, S places of a picture, D model


class Matching(Contrastive):
    """Contrast (`Contrastive`), and beside it the question whether a text is true of a picture, as a cross-entropy.

    The decoder reads the text beside the picture alone; one linear layer of the shared space judges the state after the
    last word. Of each pair three are judged: the pair (true), its text with another picture, and its picture with
    another text. These are drawn from the contrastive softmax over the pairs of the whole update, without those known
    to be true (`mt.objective.pairs.true_pairs`), by the keys of both pairs, so that no division changes the draw. A
    drawn picture learns nothing of it (its states are constant). The loss counts `match` times, as a mean over pairs
    beside the mean over target tokens. "match" is reported in nats, "match_right" as a share, both a judgement.
    """

    def __init__(self, *, inner: Objective, weight: float = 0.5, alone: float = 0.1, match: float = 0.5):
        super().__init__(inner=inner, weight=weight, alone=alone)
        check_weight("match", match, "0.5 is usual")
        self.match = match

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a model without a shared space that judges."""
        super().check(model)
        assert model.space is not None
        if model.space.judge is None:
            raise ValueError("objective (matching) needs a space that judges: model.space.judges=true")

    def _loss(self, model: Seq2Seq, batch: Batch, pairs: Pairs) -> Loss:
        loss = super()._loss(model, batch, pairs)
        minimised = loss.minimised
        sums = {"match": minimised.new_zeros(()), "match_right": minimised.new_zeros(())}
        count = minimised.new_zeros(())
        for name in pairs.rows:
            judged = self._judged(model, batch, pairs, name)
            minimised = minimised + self.match * judged["minimised"]
            sums = {key: value + judged[key].detach() for key, value in sums.items()}
            count = count + judged["count"]
        counts = {**loss.counts, "match": count, "match_right": count}
        return Loss(minimised, {**loss.sums, **sums}, counts)

    def _judged(self, model: Seq2Seq, batch: Batch, pairs: Pairs, name: str) -> dict[str, Tensor]:
        """Sums over what is judged of one kind of source."""
        places_N, kept = pairs.places_N[name], pairs.memories.get(name)
        tokens_NT = batch.target_in_BT.index_select(0, places_N)
        if kept is None:
            states_NSD = model.output.weight.new_zeros(0, model.places[name], model.output.weight.shape[1])
        else:
            states_NSD = kept.states_BSD.index_select(0, places_N).float()
        own = {**pairs.rows[name], "key": batch.keys_B.index_select(0, places_N)}
        own |= {"tokens_in": tokens_NT, "states": states_NSD}
        everyone = rows_of_update(batch.part, f"{name} to judge", own)
        with torch.no_grad(), torch.autocast(states_NSD.device.type, enabled=False):
            other_N, has_other_N = negatives(model, own, everyone, of_texts=False)
            text_N, has_text_N = negatives(model, own, everyone, of_texts=True)
        tokens_RT = concatenated([tokens_NT, tokens_NT, everyone["tokens_in"].index_select(0, text_N)])
        states_RSD = torch.cat([states_NSD, everyone["states"].index_select(0, other_N), states_NSD])
        logits_R = judgements(model, tokens_RT, states_RSD, kept, name)
        is_judged_R = torch.cat([torch.ones_like(has_text_N), has_other_N, has_text_N])
        is_true_R = torch.arange(len(logits_R), device=logits_R.device) < len(tokens_NT)
        nats_R = torch.nn.functional.binary_cross_entropy_with_logits(logits_R, is_true_R.float(), reduction="none")
        nats_R = nats_R * is_judged_R
        # a mean over what is judged of each pair, then over pairs
        shares_N = is_judged_R.view(3, -1).sum(dim=0).clamp_min(1)
        mean_tokens = everyone["tokens"].mean() if len(everyone["tokens"]) else logits_R.new_zeros(())
        return {
            "minimised": mean_tokens * (nats_R.view(3, -1).sum(dim=0) / shares_N).sum(),
            "match": nats_R.sum(),
            "match_right": (((logits_R > 0) == is_true_R) & is_judged_R).sum(),
            "count": is_judged_R.sum(),
        }


def negatives(model: Seq2Seq, own: Rows, everyone: Rows, *, of_texts: bool) -> tuple[Tensor, Tensor]:
    """numbers_N of pairs of the whole update whose picture (or text) goes with this part's text (or picture), and
    has_N: whether there is any that is not known to be true."""
    space = model.space
    assert space is not None
    if not len(own["text"]):
        none_N = own["key"].new_zeros(0)
        return none_N, none_N.bool()
    if of_texts:
        similarity_NM = space.similarities(everyone["text"], everyone["is_word"], own["thing"]).T
    else:
        similarity_NM = space.similarities(own["text"], own["is_word"], everyone["thing"])
    # the largest of scores with Gumbel noise is a draw from their softmax
    noise_NM = -(-between(own["key"], everyone["key"], stream=int(of_texts)).log()).log()
    scores_NM = space.scale() * similarity_NM + noise_NM
    is_true_NM = true_pairs(own, everyone)
    return scores_NM.masked_fill(is_true_NM, -torch.inf).argmax(dim=1), ~is_true_NM.all(dim=1)


def judgements(model: Seq2Seq, tokens_RT: Tensor, states_RSD: Tensor, like: Memory | None, name: str) -> Tensor:
    """logits_R, also where R is 0: where weights are in shards, every rank must run the decoder as often as others."""
    count = len(tokens_RT)
    if not count:
        tokens_RT = tokens_RT.new_full((1, tokens_RT.shape[1]), BOS)
        states_RSD = states_RSD.new_zeros(1, *states_RSD.shape[1:])
    facts, grid = UNKNOWN, None
    if like is not None:
        [part] = like.parts
        grid, rows = part.grid, len(tokens_RT)
        of_all = {field: getattr(like.source_facts, field) for field in ("places_BS2", "sources_BS")}
        facts = replace(
            UNKNOWN, **{field: one[:1].expand(rows, *one.shape[1:]) for field, one in of_all.items() if one is not None}
        )
    return model.judge(tokens_RT, Memory.of(name, states_RSD, None, facts, grid=grid))[:count]
