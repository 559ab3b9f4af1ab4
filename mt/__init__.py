"""Machine translation: train, translate, evaluate, and see which words the model looked at."""

from mt.cores import wait_without_spinning

__version__ = "0.1.0"

wait_without_spinning()  # here, since it must run before torch is loaded, whichever module is imported first
