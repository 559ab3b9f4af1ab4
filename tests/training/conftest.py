"""The tiny corpus, prepared once."""

import pytest

from tests.conftest import made_once
from tests.training.runs import prepare_numbers


@pytest.fixture(scope="session")
def prepared(corpus_folder, tmp_path_factory):
    folder = made_once(tmp_path_factory, "prepared", lambda folder: prepare_numbers(corpus_folder, folder))
    return prepare_numbers(corpus_folder, folder)
