"""Sounds: the motifs of scenes, wav files of every form that is promised, and files of strangers."""

import wave
from itertools import islice

import numpy as np
import pytest

from mt.data.images.store import SOUNDS
from mt.data.named_file import UnusableFile, read_named
from mt.data.pair import Pair
from mt.data.prepare import prepare
from mt.data.scenes.lexicon import KINDS
from mt.data.scenes.motif import RATE, sound, tones_of
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.data.settings import DataSettings
from mt.data.sounds.decode import SoundReader
from mt.data.sounds.settings import SoundSettings
from mt.data.store import Store
from mt.data.text_store import TextStore, write_text_store
from mt.data.tokenizer import TokenizerSettings


def write(path, samples, *, rate=8000, width=2, channels=1):
    """A wav file of samples from -1 to 1."""
    values = np.repeat(np.asarray(samples)[:, None], channels, axis=1)
    if width == 1:
        raw = np.rint(values * 127 + 128).astype(np.uint8).tobytes()
    elif width == 3:
        raw = (np.rint(values * (2**23 - 1)).astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    else:
        raw = np.rint(values * (2.0 ** (8 * width - 1) - 1)).astype(f"<i{width}").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(raw)
    return path


def tone(rate, seconds=0.5, frequency=440.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 2), (44100, 1), (4000, 2)])
def test_every_form_of_wav_file_becomes_the_same_sound(tmp_path, width, rate, channels):
    path = write(tmp_path / "a.wav", tone(rate), rate=rate, width=width, channels=channels)
    found = SoundReader(SoundSettings())(str(path)).samples
    assert found.shape == (12000,) and found.dtype == np.int16
    expected = tone(8000) * 32768
    correlation = np.corrcoef(found[100:3800], expected[100:3800])[0, 1]
    assert correlation > 0.98 and not found[4100:].any()


def test_a_wav_file_that_was_written_into_a_pipe_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.wav", tone(8000))
    whole, raw = SoundReader(SoundSettings())(str(path)).samples, path.read_bytes()
    path.write_bytes(raw[:40] + b"\xff" * 4 + raw[44:])  # as ffmpeg says that it does not know the length
    assert np.array_equal(SoundReader(SoundSettings())(str(path)).samples, whole)


def cut(path, num_bytes=30):
    path.write_bytes(write(path, tone(8000)).read_bytes()[:num_bytes])


BAD = {
    "not a wav file": (lambda path: path.write_bytes(b"ID3" * 50), "must be a wav file of whole numbers"),
    "damaged": (cut, "must be a wav file"),
    "cut off": (lambda path: cut(path, 300), r"is cut off: 256 of 8000 bytes of samples"),
    "empty": (lambda path: write(path, []), "a sound must have a sample"),
    "too long": (lambda path: write(path, tone(8000, 2.0)), r"at most 1.5 s \(sounds.seconds\), not 2.00 s"),
    "missing": (lambda path: None, "file not found"),
    "folder": (lambda path: path.mkdir(), "not a file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_with_the_file_and_the_line(tmp_path, name):
    make, message = BAD[name]
    make(tmp_path / "bad.wav")
    with pytest.raises(ValueError, match=message) as raised:
        read_named(SoundReader(SoundSettings()), ["", str(tmp_path / "bad.wav")], "sounds.txt", first=3)
    assert str(raised.value).startswith("sounds.txt, line 5: ") and "\n" not in str(raised.value)


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    write(tmp_path / "out.wav", tone(8000))
    write(tmp_path / "in" / "a.wav", tone(8000))
    read = SoundReader(SoundSettings(folder=str(tmp_path / "in")))
    assert read("a.wav").samples.any()
    with pytest.raises(UnusableFile, match=r"inside of sounds\.folder"):
        read("../out.wav")


def test_a_scene_plays_the_motif_of_each_thing():
    scenes = [Scene.of(pair.image) for pair in islice(Scenes("train", 20, target="de"), 20)]
    for scene in scenes:
        samples = sound(scene)
        assert np.array_equal(samples, sound(scene))
        assert len(samples) == sum(group.count for group in scene.groups) * round(RATE * 0.18)
    assert len({tones_of(kind) for kind in KINDS}) == len(KINDS)
    [only] = [scene for scene in scenes if len(scene.groups) == 1 and scene.groups[0].count == 1][:1]
    first, second = tones_of(only.groups[0].kind)
    spectrum = np.abs(np.fft.rfft(sound(only)[: round(RATE * 0.08)], 8000))
    assert abs(int(spectrum.argmax()) - first) < 0.03 * first and first != second


def test_a_corpus_with_sounds_is_prepared_and_stored(tmp_path):
    def scenes(split, size):
        return Scenes(split, size, source="en", target="de", shown=False, heard=True)

    data = DataSettings(
        name="heard",
        source_language="en",
        target_language="de",
        train=scenes("train", 60),
        valid=scenes("valid", 5),
        tests={"test": scenes("test_ambiguous", 3)},
        prepared=str(tmp_path / "prepared"),
    )
    prepared = prepare(data, TokenizerSettings(vocab_size=330), num_processes=1)
    read = SoundReader(SoundSettings())
    for number in (0, len(prepared.train) - 1):
        pair = prepared.train.text(number)
        assert pair.picture is None and np.array_equal(pair.wave, read(pair.sound).samples)
    assert isinstance(prepared.train, Store)
    test = prepared.tests["test"]
    assert len(test.waves) == 6 and np.array_equal(test.pairs()[5].wave, read(test.sounds[5]).samples)
    again = prepare(data, TokenizerSettings(vocab_size=330), num_processes=1)
    assert again.fingerprint == prepared.fingerprint


def test_equal_sounds_are_stored_once(tmp_path):
    samples = np.arange(50, dtype=np.int16)
    pairs = [Pair("a", "b", wave=samples), Pair("c", "d"), Pair("e", "f", wave=samples.copy())]
    (tmp_path / "store").mkdir()
    write_text_store(tmp_path / "store", pairs)
    store = TextStore(tmp_path / "store")
    assert [pair.wave is None for pair in map(store.pair, range(3))] == [False, True, False]
    assert (tmp_path / "store" / SOUNDS.folder / SOUNDS.file).stat().st_size == 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"rate": 10}, r"sounds.rate \(10\)"), ({"seconds": 0.0}, r"sounds.seconds \(0.0\)")],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SoundSettings(**settings)
