"""Checkpoint folders: written completely or not at all, self-describing, safe to load."""
