"""Pushes an exported folder to the Hugging Face Hub, or to another server that speaks its language (HF_ENDPOINT)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id

# The first is what the library's own HTTP client raises where nobody answers: its name depends on the version.
THEIR_ERRORS: Any = (*HfHubHTTPError.__bases__, OSError)


def check_repository(name: str) -> None:
    """Raises ValueError for a name that no repository can have: "user/model", "organisation/model"."""
    try:
        validate_repo_id(name)
        is_whole = name.count("/") == 1
    except HFValidationError:
        is_whole = False
    if not is_whole:
        raise ValueError(f"--push ({name}) must be a repository of the Hub: USER/MODEL")


def push(folder: Path, name: str, *, is_public: bool = False) -> str:
    """Copies the folder into the repository `name`, made if it does not exist (private unless `is_public`): its page.

    The token is that of `hf auth login` or HF_TOKEN. Raises ValueError where the server refuses or does not answer; the
    folder stays.
    """
    hub = HfApi()
    try:
        hub.create_repo(name, private=not is_public, exist_ok=True)
        done = hub.upload_folder(repo_id=name, folder_path=folder, commit_message=f"Export {folder.name} by mt-trainer")
    except THEIR_ERRORS as error:
        said = " ".join(str(error).split())
        raise ValueError(f"--push ({name}): {hub.endpoint} says: {said[:300]}; the export is in {folder}") from error
    return str(done.commit_url)
