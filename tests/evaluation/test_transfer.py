"""Which tests show what a training that starts from another model gains and forgets."""

from dataclasses import replace

from mt.checkpoint.steps import find_step
from mt.data.held_out import HeldOut
from mt.data.settings import DataSettings
from mt.evaluation.tokenization import ScoreSettings
from mt.evaluation.transfer import NEW, Transfer

TEST = HeldOut("new", ["eins zwei", "acht"], ["two one", "eight"])


def test_tests_with_pictures_or_sounds_are_left_out_since_they_would_be_translated_without(
    trained_run, seeing_run, caplog
):
    data = DataSettings(name="x", source_language="de", target_language="en", train=[], valid=[], prepared="x")
    step = find_step(trained_run)
    tests = {"plain": TEST, "heard": replace(TEST, sounds=["a.wav", "b.wav"]), "seen": replace(TEST, images=["a", "b"])}
    found = Transfer(before=step, after=step)(tests, data, ScoreSettings())
    assert list(found[NEW]) == ["plain"] and found[NEW]["plain"]["p"]["bleu"] == 1.0
    assert all(f"test {name} of {NEW} is left out" in caplog.text for name in ("heard", "seen"))
    old = Transfer(before=find_step(seeing_run), after=step)._old_tests()
    assert old and all(test.images for test in old.values())
