"""Rules about which token may come next, one file a rule."""
