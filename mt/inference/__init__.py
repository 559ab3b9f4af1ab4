"""A finished checkpoint at work: translator, aligner, segmenter."""
