"""SubRip subtitles."""

from __future__ import annotations

from mt.inference.files.subtitles import Subtitles


class SrtFile(Subtitles):
    """Numbered cues, with tags for italics and the like."""

    name, title, endings = "srt", "SubRip", (".srt",)
