"""Using a finished checkpoint: translator, aligner, scorer, segmenter."""
