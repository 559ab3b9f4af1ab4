"""The server: requests into batches, workers that translate, limits, keys, and one file for each API."""
