"""What can be wrong with a sentence or a pair: one check per file, each cheap on correct text."""
