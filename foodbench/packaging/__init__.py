"""From a Keras model to a bundle that a runtime can serve, with its measured fidelity."""

from foodbench.packaging.stage import bundle_digest, package

__all__ = ["bundle_digest", "package"]
