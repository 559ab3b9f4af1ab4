"""Checkpoint folders: written whole, explained by themselves, rebuilt safely."""
