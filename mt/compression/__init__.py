"""Smaller models: changes of a finished checkpoint, and what decides which parts go."""
