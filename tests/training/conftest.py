"""The tiny corpus, prepared once."""

import pytest

from tests.training.runs import prepare_numbers


@pytest.fixture(scope="session")
def prepared(corpus_folder, tmp_path_factory):
    return prepare_numbers(corpus_folder, tmp_path_factory.mktemp("prepared"))
