"""Training objectives: what a model is trained to minimise, a file each."""
