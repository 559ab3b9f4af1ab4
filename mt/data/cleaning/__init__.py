"""Cleaning of training pairs: stateless rules, repeats, and the pass that counts what they drop."""
