"""From a data set to a trained and evaluated Keras model."""

from foodbench.training.stage import train

__all__ = ["train"]
