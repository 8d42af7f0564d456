"""The one definition of how a photograph becomes pixels: decode, orient, resize, scale."""

from foodbench.imaging.decoding import MOST_PIXELS, ImageError, ImageFacts, decode, examine
from foodbench.imaging.scaling import Scaling, scale

__all__ = ["MOST_PIXELS", "ImageError", "ImageFacts", "Scaling", "decode", "examine", "scale"]
