"""Which temperatures may divide the logits of sampling."""

COLDEST, HOTTEST = 1e-3, 1e3  # beyond them float32 logits overflow, or become equal
