"""An index finds exactly what comparing every vector finds, whatever the blocks, and is read back as it was written."""

import json
import sys

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


def clustered(count, width=16, seed=1):
    """An index of vectors around a few of them, as of real things."""
    torch.manual_seed(seed)
    centres = torch.randn(40, width)
    vectors_ND = centres[torch.randint(len(centres), (count,))] + 0.3 * torch.randn(count, width)
    return VectorIndex.of([f"thing {number}" for number in range(count)], vectors_ND)


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss", reason="faiss, of the extra `search`, is not installed")


def test_cells_find_nearly_all_of_the_nearest_and_are_read_back_as_they_were(faiss, tmp_path):
    exact = clustered(3000)
    index = exact.approximated()
    assert 0.95 <= index.cells.recall <= 1 and 1 <= index.cells.num_probed < index.cells.index.nlist == 55
    queries_QD = exact.vectors_ND[:50].float() + 0.02 * torch.randn(50, 16)
    scores_QK, places_QK = index.search(queries_QD, 10)
    best_QK, nearest_QK = exact.search(queries_QD, 10)
    found = (places_QK.unsqueeze(2) == nearest_QK.unsqueeze(1)).any(dim=2).float().mean()
    assert found > 0.9 and (scores_QK <= best_QK + 1e-5).all() and (scores_QK.diff(dim=1) <= 0).all()
    cosines_QK = (
        torch.nn.functional.normalize(queries_QD, dim=1).unsqueeze(1) * exact.vectors_ND[places_QK].float()
    ).sum(2)
    torch.testing.assert_close(scores_QK, cosines_QK)  # of the vectors themselves, not of the cells' rounded ones
    index.save(tmp_path / "index")
    again = VectorIndex.load(tmp_path / "index")
    assert again.cells.recall == pytest.approx(index.cells.recall, abs=1e-4)
    assert torch.equal(again.search(queries_QD, 10)[1], places_QK)
    assert torch.equal(again.search(queries_QD[:1], 4000)[1], exact.search(queries_QD[:1], 3000)[1])  # more than near


def test_cells_of_other_vectors_and_files_that_are_none_are_refused_in_one_line(faiss, tmp_path):
    for count in (300, 200):
        clustered(count).approximated().save(tmp_path / str(count))
    cells = (tmp_path / "200" / "cells.faiss").read_bytes()
    for bytes_, message in ((cells, "must hold the cells of 300 vectors of 16 numbers"), (b"x" * 40, "cannot be read")):
        (tmp_path / "300" / "cells.faiss").write_bytes(bytes_)
        with pytest.raises(ValueError, match=message) as raised:
            VectorIndex.load(tmp_path / "300")
        assert "\n" not in str(raised.value)
    (tmp_path / "300" / "about.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(ValueError, match=r"cells_probed \(None\) and recall \(None\) must be numbers"):
        VectorIndex.load(tmp_path / "300")


def test_without_faiss_an_index_is_searched_exactly_and_none_is_made(monkeypatch, tmp_path, caplog):
    exact = clustered(30)
    exact.about.update({"cells_probed": 1, "recall": 0.97})
    exact.save(tmp_path / "index")
    (tmp_path / "index" / "cells.faiss").write_bytes(b"not read")
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr("mt.inference.cells.find_spec", lambda name: None)
    index = VectorIndex.load(tmp_path / "index")
    assert index.cells is None and "since faiss is missing: pip install 'mt-trainer[search]'" in caplog.text
    with pytest.raises(ValueError, match=r"needs a package that is missing: pip install 'mt-trainer\[search\]'"):
        index.approximated()
