"""Programs that exports carry as translate.py: each needs its engine and sentencepiece alone."""
