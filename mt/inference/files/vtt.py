"""WebVTT subtitles; notes, styles, regions and the settings of cues stay."""

from __future__ import annotations

import re

from mt.inference.files.subtitles import Subtitles


class VttFile(Subtitles):
    """Cues after the line WEBVTT, also with voices (<v Mary>)."""

    name, title, endings = "vtt", "WebVTT", (".vtt",)

    def check(self, text: str, name: str) -> None:
        if not re.match(r"WEBVTT(?:[ \t\n\r]|$)", text):
            raise ValueError(f"{name} line 1: must be WEBVTT: {text.splitlines()[0][:60] if text else ''}")
