"""How good translations are: sacrebleu scores and how they are shown."""
