"""Machine translation: train, translate, evaluate, and see which words the model looked at."""

__version__ = "0.1.0"
