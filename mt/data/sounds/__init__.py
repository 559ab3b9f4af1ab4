"""Sounds of a corpus: decoding files safely, and bringing them to one rate and length."""
