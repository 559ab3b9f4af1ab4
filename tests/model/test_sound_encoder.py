"""A sound encoder hears all of its bands, or says which it cannot."""

import pytest

from mt.attention.dense import Dense
from mt.model.layer import LayerSettings
from mt.model.sound_encoder import SoundEncoder, mel_filters

LAYER = LayerSettings(dim=8, num_heads=2, num_kv_heads=2, feed_forward_dim=8, dropout=0.0)


@pytest.mark.parametrize(
    "rate, window_ms, bands, empty", [(8000, 32.0, 40, 0), (16000, 32.0, 128, 1), (48000, 32.0, 384, 32)]
)
def test_bands_that_no_frequency_falls_into_are_refused(rate, window_ms, bands, empty):
    assert (mel_filters(rate, round(rate * window_ms / 1000), bands).sum(dim=1) == 0).sum() == empty
    sizes = {"rate": rate, "seconds": 1.0, "window_ms": window_ms, "bands": bands, "num_layers": 0}
    if not empty:
        assert SoundEncoder(settings=LAYER, self_attention=Dense, **sizes).bands == bands
        return
    with pytest.raises(ValueError, match=rf"sound.bands \({bands}\) must be fewer: {empty} of them are narrower"):
        SoundEncoder(settings=LAYER, self_attention=Dense, **sizes)
