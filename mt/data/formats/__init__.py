"""Readers of corpora, a file each: whatever they read comes out as pairs, what is wrong with a line as a fault."""
