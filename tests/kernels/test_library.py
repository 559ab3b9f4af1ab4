"""The library is compiled once into a folder of the user's own; without it everything runs by torch."""

import os
import stat

import pytest
import torch

from mt.kernels import compiling
from mt.kernels import library as kernels
from mt.kernels.compiling import LEVELS, Missing, choose_level, code_or_reason, compiled
from mt.kernels.cross_entropy import cross_entropy_
from mt.kernels.library import Library, found_or_reason, library

AVX512 = frozenset("avx2 fma f16c avx512f avx512bw avx512vl avx512dq".split())


@pytest.fixture
def anew(monkeypatch, tmp_path):
    """The choice is made anew in this test, with an empty cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    caches = (library, found_or_reason, code_or_reason)
    for cached in caches:
        cached.cache_clear()
    yield tmp_path / "a cache" / "mt-trainer" / "kernels"
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()


def tool(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "setting, flags, chosen",
    [
        ("auto", AVX512 | {"avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16"}, "amx"),
        ("avx512_bf16", AVX512 | {"avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16"}, "avx512_bf16"),
        ("amx", AVX512 | {"avx512_bf16", "avx512_vnni", "amx_tile"}, "avx512_bf16"),
        ("auto", AVX512 | {"avx512_bf16"}, "avx512"),
        ("auto", AVX512, "avx512"),
        ("auto", {"avx2", "fma", "f16c", "avx512f"}, "avx2"),
        ("avx2", AVX512, "avx2"),
        ("avx512_bf16", AVX512, "avx512"),
    ],
)
def test_the_best_instruction_set_that_processor_and_setting_allow_is_chosen(setting, flags, chosen):
    assert choose_level(setting, frozenset(flags)).name == chosen


def test_an_old_processor_and_the_setting_off_have_no_kernels():
    with pytest.raises(Missing, match="AVX2"):
        choose_level("auto", frozenset({"sse4_2"}))
    with pytest.raises(Missing, match="MT_KERNELS=off"):
        choose_level("off", AVX512)


def test_a_wrong_setting_is_refused_by_name_and_value():
    with pytest.raises(ValueError, match=r"MT_KERNELS \(no\) must be auto, off, amx, avx512_bf16, avx512 or avx2"):
        choose_level("no", AVX512)


def test_without_a_compiler_torch_computes_and_the_reason_is_given(anew, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiling, "processor_flags", lambda: AVX512)
    assert library() is None
    assert "none of cc, gcc, clang was found" in kernels.description()
    logits = torch.zeros(2, 4)
    plain, uniform = cross_entropy_(logits, torch.tensor([1, 3]), 0.0, has_gradient=False)
    torch.testing.assert_close(plain, 2 * torch.tensor(4.0).log())
    torch.testing.assert_close(uniform, plain)


def test_a_compiler_that_fails_is_quoted_and_leaves_no_library(anew, monkeypatch, tmp_path):
    tool(tmp_path / "bin", "cc", "#!/bin/sh\necho 'no room on the device' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(compiling, "processor_flags", lambda: AVX512)
    assert library() is None
    assert "cannot compile them: no room on the device" in kernels.description()
    assert not list(anew.glob("*.so"))


def test_the_cache_is_named_after_sources_flags_and_compiler_and_is_used_again(anew, monkeypatch, tmp_path):
    count = tmp_path / "count"
    # writes to what follows -o, in place of a compiler
    script = f'#!/bin/sh\necho once >> "{count}"\nwhile [ "$1" != -o ]; do shift; done\necho library > "$2"\n'
    tool(tmp_path / "bin", "cc", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    first, _ = compiled(LEVELS[-1])
    assert first.parent == anew
    assert compiled(LEVELS[-1])[0] == first
    assert count.read_text("utf-8") == "once\n"
    assert compiled(LEVELS[0])[0] != first
    assert {path.suffix for path in anew.iterdir()} == {".so", ""}  # and the lock
    assert not stat.S_IMODE(anew.stat().st_mode) & 0o077


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_folder(anew, monkeypatch, tmp_path):
    (tmp_path / "a cache").write_text("a file in the way", "utf-8")
    monkeypatch.setattr(compiling.tempfile, "gettempdir", lambda: str(tmp_path))
    assert compiling.cache_folders() == [tmp_path / f"mt-trainer-kernels-{os.getuid()}"]


def test_a_folder_that_others_can_write_is_not_used(anew, monkeypatch, tmp_path):
    anew.mkdir(parents=True)
    anew.chmod(0o777)
    monkeypatch.setattr(compiling.tempfile, "gettempdir", lambda: str(tmp_path))
    assert anew not in compiling.cache_folders()


def test_a_damaged_library_is_refused_with_its_path(tmp_path):
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(b"not a library")
    with pytest.raises(Missing, match=r"damaged\.so cannot be loaded"):
        compiling.load(damaged)


def test_the_sources_are_part_of_the_package():
    assert {path.suffix for path in compiling.sources()} == {".c", ".h"}


@pytest.mark.skipif(library() is None, reason=f"no kernels here: {kernels.description()}")
def test_what_was_compiled_here_has_every_function():
    found = found_or_reason()
    assert isinstance(found, Library)
    tiles = kernels.TILE_SIGNATURES if found.level in ("amx", "avx512_bf16") else {}
    vectors = kernels.VECTOR_SIGNATURES if found.level != "avx2" else {}
    assert set(found.functions) == {*kernels.SIGNATURES, *vectors, *tiles}


def test_without_amx_in_compiler_or_system_the_next_instruction_set_is_taken(anew, monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "processor_flags", lambda: LEVELS[0].needs)
    tried = []

    def refused(level):
        tried.append(level.name)
        raise Missing(f"no {level.name}")

    monkeypatch.setattr(compiling, "compiled", refused)
    assert library() is None
    assert tried == ["amx", "avx512_bf16"]
    assert "no avx512_bf16" in kernels.description()
