"""How much a hypothesis is excused for being long."""


def length_penalty(length, alpha):
    """Divisor for a hypothesis score: ((5 + length) / 6) ** alpha (Wu et al. 2016).

    `length` (a number or a tensor) counts target tokens including EOS. alpha = 0 turns it off, more favours longer
    hypotheses, less than 0 shorter ones.
    """
    return ((5 + length) / 6) ** alpha
