"""An index finds exactly what comparing every vector finds, whatever the blocks, and is read back as it was written."""

import json

import pytest
import torch

from mt.inference import vector_index
from mt.inference.vector_index import VectorIndex


def index_of(count, width=8, seed=1):
    torch.manual_seed(seed)
    return VectorIndex.of([f"thing {number}" for number in range(count)], torch.randn(count, width))


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
@pytest.mark.parametrize("k", [1, 5, 60])
def test_it_finds_the_nearest_in_blocks_of_any_size(monkeypatch, rows, k):
    index = index_of(50)
    monkeypatch.setattr(vector_index, "BLOCK_BYTES", rows * 8 * 4)
    queries_QD = torch.randn(4, 8)
    scores_QK, places_QK = index.search(queries_QD, k)
    cosines_QN = torch.nn.functional.normalize(queries_QD, dim=-1) @ index.vectors_ND.float().T
    expected_QN, order_QN = cosines_QN.sort(dim=1, descending=True, stable=True)
    torch.testing.assert_close(scores_QK, expected_QN[:, :k])
    assert places_QK.tolist() == order_QN[:, :k].tolist()


def test_of_equals_the_first_comes_first(monkeypatch):
    monkeypatch.setattr(vector_index, "BLOCK_BYTES", 2 * 2 * 4)
    index = VectorIndex.of(list("abcde"), torch.tensor([[0.0, 1], [1, 0], [0, 2], [3, 0], [4, 0]]))
    assert index.search(torch.tensor([[1.0, 0]]), 3)[1].tolist() == [[1, 3, 4]]


def test_it_is_read_back_as_it_was_written(tmp_path):
    index = VectorIndex.of(["a\nb", "ü.png"], torch.tensor([[3.0, 4.0], [0.0, 0.0]]), {"model": "x"})
    index.save(tmp_path / "index")
    found = VectorIndex.load(tmp_path / "index")
    assert (found.names, found.about["model"], found.about["vectors"]) == (["a\nb", "ü.png"], "x", 2)
    assert torch.equal(found.vectors_ND, torch.tensor([[0.6, 0.8], [0, 0]]).half())


def test_what_is_no_index_is_refused_in_one_line(tmp_path):
    folder = tmp_path / "index"
    with pytest.raises(ValueError, match=r"is no index: it has no about\.json"):
        VectorIndex.load(folder)
    index_of(3).save(folder)
    with pytest.raises(ValueError, match=r"width \(9\) must be that of the index \(8\)"):
        VectorIndex.load(folder).search(torch.zeros(1, 9), 1)
    with pytest.raises(ValueError, match=r"names \(1\) must be as many as vectors \(2\)"):
        VectorIndex.of(["a"], torch.zeros(2, 2))
    with pytest.raises(ValueError, match="the vector of b must be of finite numbers"):
        VectorIndex.of(["a", "b"], torch.tensor([[1.0], [float("nan")]]))
    (folder / "names.jsonl").write_text('"a"\n')
    with pytest.raises(ValueError, match="must hold a float16 row for each of the 1 names"):
        VectorIndex.load(folder)
    (folder / "vectors.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(ValueError, match="cannot be read as an index"):
        VectorIndex.load(folder)
    (folder / "about.json").write_text(json.dumps({"format": 9}))
    with pytest.raises(ValueError, match=r"format \(9\) must be 1"):
        VectorIndex.load(folder)
