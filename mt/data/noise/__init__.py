"""Noise in training pairs, and in test sets that measure robustness."""
