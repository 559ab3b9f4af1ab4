"""The length penalty, by which scores of long hypotheses are divided."""

LEAST_ALPHA, MOST_ALPHA = -10.0, 10.0  # beyond them the penalty of a long hypothesis overflows; usual is 0 to 2


def length_penalty(length, alpha):
    """Divisor for a hypothesis score: ((5 + length) / 6) ** alpha (Wu et al. 2016).

    `length` (a number or a tensor) counts target tokens including EOS. alpha = 0 turns it off, larger values favour
    longer hypotheses, values below 0 shorter ones.
    """
    return ((5 + length) / 6) ** alpha


def check_alpha(name: str, alpha: float) -> None:
    """Raises ValueError, naming the setting, for an alpha that is out of range or no number (NaN)."""
    if not LEAST_ALPHA <= alpha <= MOST_ALPHA:
        raise ValueError(f"{name} ({alpha}) must be from {LEAST_ALPHA:g} to {MOST_ALPHA:g}")
