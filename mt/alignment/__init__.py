"""Word alignment from attention weights: arrays in; links, error rates and pictures out."""
