"""Quality of translations: sacrebleu scores, COMET, tests of significance, reports."""
