"""What a sound is, once it is prepared."""

import numpy as np

Wave = np.ndarray  # samples_L, int16
