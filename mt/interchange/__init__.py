"""A trained model for other engines: one plan of a model, targets that read it, and a certificate by measurement."""
