"""What a person sees while a run trains: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

from mt.terminal import visible


class Progress:
    """A tqdm bar with loss, tokens per second and time left; where stderr is no terminal, a line every few seconds.

    The bar shows the share of the run that is done, by the limit that is nearest; also `total_steps` if known.
    With `is_shown` false nothing is printed: of several processes only the first prints.
    """

    def __init__(self, *, total_steps: int | None, seconds_between_lines: float = 15.0, is_shown: bool = True):
        self._is_shown = is_shown
        self._is_terminal = is_shown and sys.stderr.isatty()
        self._total, self._pause, self._last = total_steps, seconds_between_lines, 0.0
        self._bar = tqdm(
            total=1.0,
            disable=not self._is_terminal,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {desc}",
        )

    def update(self, *, step: int, share: float, loss_nats: float, tokens_per_second: float, seconds: float) -> None:
        """Shows the state after `step`; `share` (0 to 1) of the run is done after `seconds`."""
        left = seconds * (1.0 - share) / share if share > 0.0 else 0.0
        of_total = f"/{self._total}" if self._total else ""
        text = (
            f"step {step}{of_total}, loss {loss_nats:.3f}, {tokens_per_second:,.0f} target tokens/s,"
            f" {_clock(left)} left"
        )
        if self._is_terminal:
            self._bar.n = share
            self._bar.set_description_str(text)
        elif time.monotonic() - self._last >= self._pause:
            self._last = time.monotonic()
            self.say(f"{100 * share:3.0f}% {text}")

    def say(self, text: str) -> None:
        """A line above the bar, without control characters."""
        if self._is_shown:
            tqdm.write(visible(text), file=sys.stderr)

    def close(self) -> None:
        self._bar.close()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Speed:
    """Target tokens a second since it was made."""

    def __init__(self):
        self._tokens, self._since = 0, time.monotonic()

    def add(self, target_tokens: int) -> None:
        """Counts the tokens of one more update."""
        self._tokens += target_tokens

    @property
    def tokens_per_second(self) -> float:
        """The mean so far."""
        return self._tokens / max(time.monotonic() - self._since, 1e-9)
