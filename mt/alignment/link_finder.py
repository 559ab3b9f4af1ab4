"""From an aligned line to its links: by the rule of the flags or the checkpoint, of one direction or of two."""

from __future__ import annotations

from dataclasses import dataclass, field

from mt.alignment.aligned_line import AlignedLine
from mt.alignment.choice import Choice
from mt.alignment.links import THRESHOLD, Link, LinkRule, link_rule
from mt.alignment.symmetrize import SOFT_PRODUCT, SYMMETRIZATIONS


@dataclass(frozen=True, kw_only=True)
class LinkFinder:
    """Finds the links of aligned lines.

    `choice` is the checkpoint's, `reverse` that of the model of the other direction, where there is one; `symmetrize`
    then names how both become one. `method` and `threshold` overrule the choices (see `rule_of`).
    """

    choice: Choice
    reverse: Choice | None = None
    symmetrize: str = "grow-diag"
    method: str | None = None
    threshold: float | None = None
    _rules: tuple[LinkRule, LinkRule, LinkRule] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        of_each = [self.choice, self.reverse or self.choice]
        rules = [self.rule, *(rule_of(one, method=self.method, threshold=self.threshold) for one in of_each)]
        object.__setattr__(self, "_rules", tuple(link_rule(*rule) for rule in rules))

    @property
    def is_soft(self) -> bool:
        """Whether weights are multiplied before links are made of them."""
        return self.reverse is not None and self.symmetrize == SOFT_PRODUCT

    @property
    def rule(self) -> tuple[str, float]:
        """(method, threshold) by which an alignment's weights become links."""
        return rule_of(self.choice, method=self.method, threshold=self.threshold, is_soft=self.is_soft)

    def __call__(self, line: AlignedLine) -> tuple[set[Link], dict[str, set[Link]]]:
        """The links of a line; with a model of the other direction, also those of each direction and the result."""
        joint, of_forward, of_backward = self._rules
        if line.alignment is None:
            return set(), {}
        if line.forward is None or line.backward is None:
            return joint(line.alignment.weights_TS), {}
        forward = of_forward(line.forward.weights_TS)
        backward = {(source, target) for target, source in of_backward(line.backward.weights_TS)}
        links = (
            joint(line.alignment.weights_TS) if self.is_soft else SYMMETRIZATIONS[self.symmetrize](forward, backward)
        )
        return links, {"forward": forward, "backward": backward, self.symmetrize: links}


def rule_of(
    choice: Choice, *, method: str | None = None, threshold: float | None = None, is_soft: bool = False
) -> tuple[str, float]:
    """(method, threshold) by which weights become links: as given, else as chosen for the checkpoint.

    A soft product needs a threshold: in a row where no word fits, the best one would still be linked.
    """
    threshold = choice.threshold if threshold is None else threshold
    method = method or ("argmax" if threshold is None and not is_soft else "threshold")
    return method, THRESHOLD if threshold is None else threshold
