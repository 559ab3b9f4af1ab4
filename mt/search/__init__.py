"""Searching for the best translations over any step function: greedy, beam, sampling."""
