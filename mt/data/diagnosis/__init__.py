"""Measurements of a corpus before training: one kind per file, each a section of the report."""
