"""Corpora, cleaning, tokenizers, the prepared store and batches."""
