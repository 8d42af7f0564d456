"""The words that experiments, options and records share. Imports nothing, so that --help may name them."""

from __future__ import annotations

from typing import Literal

__all__ = ["Runtime"]

Runtime = Literal[
    "keras",
    "litert",
    "litert-f16",
    "litert-int8",
    "openvino-f32",
    "openvino-bf16",
    "openvino-int8",
    "onnx",
]
"""What computes the prediction inside the service, and in which precision it was asked to."""
