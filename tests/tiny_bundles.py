"""Real bundles small enough to make in a test: LiteRT models of a few hundred bytes, built without TensorFlow.

The model averages the picture's colour and answers the class whose colour is nearest:

    image (1, s, s, 3) -> MEAN over height and width -> FULLY_CONNECTED -> SOFTMAX (1, classes)
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from foodbench.serving.bundle import BundleManifest, write_manifest

COLOURS = {"Red": (255, 0, 0), "Green": (0, 255, 0), "Blue": (0, 0, 255), "White": (255, 255, 255), "Black": (0, 0, 0), "Grey": (128, 128, 128)}  # fmt: skip
"""What the classes look like."""

SHARPNESS = 4.0
"""The larger, the surer the model is."""


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    values: npt.NDArray[Any] | None = None
    dtype: type[np.generic] = np.float32
    scale: float | None = None
    zero_point: int = 0


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (64, 48), image_format: str = "PNG") -> bytes:
    """Return an encoded image of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, image_format)
    return file.getvalue()


def make_bundle(
    directory: Path,
    *,
    runtime: str = "litert",
    input_size_px: int = 8,
    weights: bytes | None = None,
    test_image: bytes | None = None,
) -> BundleManifest:
    """Write a bundle that tells colours apart; /test shows it green.

    Args:
        directory: Where; it is made.
        runtime: litert or litert-int8.
        input_size_px: Side of the square that the model takes.
        weights: In place of the model's own.
        test_image: In place of a small green one; a large one makes /test slow.
    """
    directory.mkdir(parents=True, exist_ok=True)
    content = tiny_model(input_size_px, integer=runtime == "litert-int8") if weights is None else weights
    (directory / "model.tflite").write_bytes(content)
    (directory / "test.jpg").write_bytes(
        picture((10, 240, 10), image_format="JPEG") if test_image is None else test_image
    )
    manifest = BundleManifest(
        model_name="tiny",
        model_digest="0123456789abcdef",
        runtime=runtime,
        weights_file="model.tflite",
        weights_sha256=hashlib.sha256(content).hexdigest(),
        classes=tuple(COLOURS),
        input_size_px=input_size_px,
        scaling="minus-one-to-one",
        test_image_file="test.jpg",
        marks=("made for tests",),
    )
    write_manifest(directory, manifest)
    return manifest


def tiny_model(input_size_px: int, *, integer: bool) -> bytes:
    """Return the model as a .tflite file, in float32 or in int8 throughout."""
    colours = np.array(list(COLOURS.values()), np.float32) / 127.5 - 1
    # The nearest colour c to x has the largest 2 c.x - |c|^2.
    kernel, bias = SHARPNESS * 2 * colours, -SHARPNESS * (colours**2).sum(axis=1)
    return _file(
        _integer_tensors(input_size_px, kernel, bias) if integer else _real_tensors(input_size_px, kernel, bias)
    )


def _real_tensors(size: int, kernel: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> list[_Tensor]:
    classes = len(bias)
    return [
        _Tensor("image", (1, size, size, 3)),
        _Tensor("axes", (2,), np.array([1, 2], np.int32), np.int32),
        _Tensor("colour", (1, 3)),
        _Tensor("kernel", (classes, 3), kernel),
        _Tensor("bias", (classes,), bias),
        _Tensor("logits", (1, classes)),
        _Tensor("probabilities", (1, classes)),
    ]


def _integer_tensors(size: int, kernel: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> list[_Tensor]:
    classes, colour_scale = len(bias), 1 / 127.5
    kernel_scale = float(np.abs(kernel).max()) / 127
    bias_scale = colour_scale * kernel_scale
    return [
        _Tensor("image", (1, size, size, 3), None, np.int8, colour_scale, -1),
        _Tensor("axes", (2,), np.array([1, 2], np.int32), np.int32),
        _Tensor("colour", (1, 3), None, np.int8, colour_scale, -1),
        _Tensor("kernel", (classes, 3), np.rint(kernel / kernel_scale).astype(np.int8), np.int8, kernel_scale),
        _Tensor("bias", (classes,), np.rint(bias / bias_scale).astype(np.int32), np.int32, bias_scale),
        _Tensor("logits", (1, classes), None, np.int8, 0.5),
        _Tensor("probabilities", (1, classes), None, np.int8, 1 / 256, -128),
    ]


def _file(tensors: list[_Tensor]) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import flatbuffers  # type: ignore[import-untyped]
        from ai_edge_litert import schema_py_generated as schema
    types: dict[type[np.generic], int] = {
        np.float32: schema.TensorType.FLOAT32,
        np.int8: schema.TensorType.INT8,
        np.int32: schema.TensorType.INT32,
    }
    operators = schema.BuiltinOperator
    graph = schema.SubGraphT()
    graph.tensors = []
    model = schema.ModelT()
    model.version = 3
    model.description = "made for tests"
    model.buffers = [schema.BufferT()]
    for tensor in tensors:
        made = schema.TensorT()
        made.name, made.shape, made.type = tensor.name, list(tensor.shape), types[tensor.dtype]
        made.buffer = 0
        if tensor.values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(tensor.values.tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        if tensor.scale is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [tensor.scale], [tensor.zero_point]
        graph.tensors.append(made)
    reducer, softmax = schema.ReducerOptionsT(), schema.SoftmaxOptionsT()
    reducer.keepDims, softmax.beta = False, 1.0
    steps = [
        (operators.MEAN, schema.BuiltinOptions.ReducerOptions, reducer, [0, 1], [2]),
        (
            operators.FULLY_CONNECTED,
            schema.BuiltinOptions.FullyConnectedOptions,
            schema.FullyConnectedOptionsT(),
            [2, 3, 4],
            [5],
        ),
        (operators.SOFTMAX, schema.BuiltinOptions.SoftmaxOptions, softmax, [5], [6]),
    ]
    model.operatorCodes, graph.operators = [], []
    for number, (code, options_type, options, inputs, outputs) in enumerate(steps):
        operator_code, operator = schema.OperatorCodeT(), schema.OperatorT()
        operator_code.builtinCode = operator_code.deprecatedBuiltinCode = code
        operator_code.version = 4 if code == operators.FULLY_CONNECTED else 2
        operator.opcodeIndex, operator.inputs, operator.outputs = number, inputs, outputs
        operator.builtinOptionsType, operator.builtinOptions = options_type, options
        model.operatorCodes.append(operator_code)
        graph.operators.append(operator)
    graph.inputs, graph.outputs = [0], [6]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
