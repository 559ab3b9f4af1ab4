"""Attention: the contract, its multi-head frame, masks, and one file per variant."""
