"""The search of a translation job: that of the options and the checkpoint, and the rules that a wish adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from mt.data.tokenizer import EOS
from mt.inference.decodable import BANNED
from mt.inference.options import Options
from mt.inference.wish import Wish
from mt.kernels.decoding import MOST_SIZE, Plan
from mt.search.beam import Beam, adjusted
from mt.search.greedy import Greedy
from mt.search.hypothesis import Hypothesis
from mt.search.mbr import MinimumBayesRisk
from mt.search.rules.prefix import Prefix
from mt.search.rules.rule import Rule
from mt.search.rules.terms import Terms
from mt.search.sampling import Sampling
from mt.search.search import Search
from mt.similarity import SIMILARITIES


def search_of(options: Options, default: Search) -> Search:
    """The search of the options; `default`, the checkpoint's own, where they set nothing."""
    names = ("max_length", "min_length", "no_repeat_ngram", "length_penalty", "n_best")
    changes = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    drawn = {name: getattr(options, name) for name in ("temperature", "top_k", "top_p")}
    drawn |= {} if options.epsilon is None else {"epsilon": options.epsilon}
    if options.mbr is not None:
        return MinimumBayesRisk(**changes, **drawn, samples=options.mbr, utility=options.utility)
    if options.sample:
        return Sampling(**changes, **drawn)
    size = options.beam_size
    if size is None and options.n_best > getattr(default, "size", 1) and not isinstance(default, Sampling):
        size = options.n_best
    # both at once: n_best may not exceed the size
    return replace(adjusted(default, beam_size=size, n_best=options.n_best), **changes)


def chosen(
    search: Search, found: list[list[Hypothesis]], text: Callable[[Sequence[int]], str]
) -> list[list[Hypothesis]]:
    """The hypotheses that a search returns: all of them, or those it ranks by their texts; `text` spells ids."""
    if not isinstance(search, MinimumBayesRisk):
        return found
    expected = SIMILARITIES[search.utility].expected
    return [search.ranked(drawn, [text(one.ids) for one in drawn], expected) for drawn in found]


def plan_of(search: Search) -> Plan | None:
    """The search as native code does it; None for one that it does not have."""
    if type(search) not in (Beam, Greedy) or search.no_repeat_ngram or getattr(search, "size", 1) > MOST_SIZE:
        return None
    values = {name: getattr(search, name) for name in Plan._fields if hasattr(search, name)}
    return Plan(**{"size": 1, **values}, banned=BANNED)


def rules_of(wishes: Sequence[Wish], continuing_V: Tensor) -> list[Rule]:
    """The rules of a search for these sources; none where there are no wishes."""
    found: list[Rule] = []
    if any(wish.prefix for wish in wishes):
        found.append(Prefix([wish.prefix for wish in wishes]))
    if any(wish.phrases for wish in wishes):
        found.append(Terms([wish.phrases for wish in wishes], eos=EOS, continuing_V=continuing_V))
    return found
