"""What a corpus looks like before anyone trains on it: one kind of measurement a file, each a section of the report."""
