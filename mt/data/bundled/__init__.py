"""An English-German corpus with gold word alignments, made by a synchronous grammar."""
