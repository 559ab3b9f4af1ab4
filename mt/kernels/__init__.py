"""Native operations of models on CPUs: C, compiled once for this machine, each with its torch line."""
