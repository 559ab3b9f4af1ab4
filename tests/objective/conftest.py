"""The tiny corpus of the training tests."""

from tests.training.conftest import prepared  # noqa: F401 (a fixture)
