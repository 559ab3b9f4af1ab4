"""What can be wrong with a sentence or a pair: one check a file, each as cheap as it can be on what is right."""
