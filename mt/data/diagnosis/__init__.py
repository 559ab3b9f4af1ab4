"""Measurements of a corpus before training: one kind in each file, each a section of the doctor's report."""
