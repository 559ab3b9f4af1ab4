"""Readers of corpora, one file per format: they yield pairs, and faults for lines that cannot be read."""
