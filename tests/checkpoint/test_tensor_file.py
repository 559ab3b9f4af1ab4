import json
from hashlib import sha256

import pytest
import torch
from safetensors.torch import load_file, save_file

from mt.checkpoint.tensor_file import DTYPES, TensorFile, write_tensors


@pytest.fixture
def tensors():
    """One of every type, an empty one, a single number, and one whose rows lie apart."""
    found = {f"of type {name}": torch.arange(5).to(dtype) for name, dtype in DTYPES.items()}
    return {**found, "empty": torch.zeros(3, 0, 2), "one": torch.tensor(7.0), "ünï": torch.arange(24.0).view(4, 6).T}


def test_the_library_reads_what_was_written_and_we_what_the_library_wrote(tensors, tmp_path):
    write_tensors(tmp_path / "ours", tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "theirs")
    for found in (load_file(tmp_path / "ours"), dict(TensorFile(tmp_path / "theirs"))):
        assert found.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype, name


def test_size_and_digest_are_those_of_the_file(tensors, tmp_path):
    mark = write_tensors(tmp_path / "file", tensors)
    content = (tmp_path / "file").read_bytes()
    assert (mark.bytes, mark.sha256) == (len(content), sha256(content).hexdigest())


def test_numbers_lie_at_multiples_of_their_size(tensors, tmp_path):
    write_tensors(tmp_path / "file", tensors)
    content = (tmp_path / "file").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    for name, about in json.loads(content[8 : 8 + length]).items():
        assert about["data_offsets"][0] % tensors[name].element_size() == 0, name


def test_names_and_shapes_are_known_before_anything_is_read(tensors, tmp_path):
    write_tensors(tmp_path / "file", tensors)
    file = TensorFile(tmp_path / "file")
    assert file.shapes == {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert file.dtypes == {name: tensor.dtype for name, tensor in tensors.items()}
    assert set(file) == set(tensors) and len(file) == len(tensors) and "none" not in file


def file_of(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"123",
        (2**63).to_bytes(8, "little") + b"{}",
        (2**24 + 1).to_bytes(8, "little") + b" " * 2**25,
        file_of(b"[]"),
        file_of(b"[" * 100_000),
        file_of({"w": {"dtype": "F32", "shape": [10**12, 10**12], "data_offsets": [0, 4]}}, b"1234"),
        file_of({"w": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        file_of({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"1234"),
        file_of({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**40]}}, b"1234"),
        file_of({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"1234"),
        file_of({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"12345678"),
        file_of({"w": {"dtype": "object", "shape": [1], "data_offsets": [0, 4]}}, b"1234"),
    ],
    ids=[
        "empty", "cut", "header larger than the file", "large header", "no mapping", "deep", "absurd shape", "overflow",
        "negative", "beyond the file", "backwards", "more data", "unknown type",
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_one_line(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"file cannot be read: "):
        TensorFile(tmp_path / "file")
