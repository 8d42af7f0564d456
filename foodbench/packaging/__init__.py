"""From a Keras model to a bundle that a runtime can serve, with its measured fidelity."""

from foodbench.packaging.stage import package

__all__ = ["package"]
