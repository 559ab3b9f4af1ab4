"""What a picture is, once it is prepared."""

import numpy as np

Picture = np.ndarray  # pixels_HWC, uint8: red, green and blue
