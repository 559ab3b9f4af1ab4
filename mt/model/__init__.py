"""The encoder-decoder Transformer, built from attention slots."""
