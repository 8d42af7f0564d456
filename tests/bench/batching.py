"""Whether computing several images at once pays: what one image of a batch takes, and what the service gains by it.

``python -m tests.bench.batching BUNDLE BATCH DURATION_S`` prints the CPU time of one image in milliseconds,
inference alone, in one thread.
"""

from __future__ import annotations

import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.process import run
from foodbench.serving.bundle import BundleManifest, read_manifest

from .servers import our_service
from .tables import Table, median_of
from .throughput import Round, siege_once

__all__ = ["measure_batched_service", "measure_batching"]

SIZES = (1, 2, 4, 8)

SERVED_SIZES = (1, 4, 8)

WARM_UP = 3

Images = npt.NDArray[np.float32]
Compute = Callable[[Images], object]


def measure_batching(bundles: Sequence[Path], *, duration_s: int) -> Table:
    """Measure each bundle at each size, one after the other.

    Args:
        bundles: One a runtime.
        duration_s: Of one measurement.
    """
    rows = []
    for bundle in bundles:
        taken_ms = [_cpu_ms(bundle, size, duration_s) for size in SIZES]
        gain = 100 * (1 - min(taken_ms) / taken_ms[0])
        rows.append((bundle.name.split(".")[1], *(f"{one:.2f}" for one in taken_ms), f"{gain:.0f} %"))
    name = bundles[0].name.split(".")[0]
    heading = f"Batches: {name}, CPU ms of one image in a batch of ..., one thread, inference alone"
    return Table(heading, ("Runtime", *map(str, SIZES), "Best saves"), tuple(rows))


def measure_batched_service(bundle: Path, *, rounds: int, duration_s: int) -> Table:
    """Load the service at each of the served sizes in turn, its wait left at the default.

    All of them run throughout, idle but for the one under load. The ratios are of figures of one round, in
    which all sizes met the same state of a machine that others may use too.

    Args:
        bundle: Of a runtime that computes batches.
        rounds: Of all sizes in turn.
        duration_s: Of one siege.
    """
    taken: dict[int, list[Round]] = {size: [] for size in SERVED_SIZES}
    with ExitStack() as stack:
        servers = {size: stack.enter_context(our_service(bundle, "--batch-size", str(size))) for size in taken}
        for _ in range(rounds):
            for size, server in servers.items():
                taken[size].append(siege_once(server, duration_s))
    name, runtime, _ = bundle.name.split(".")
    heading = f"Service in batches: {name}, {runtime}, decoding included, median of {rounds} rounds of {duration_s} s"
    columns = ("Batch size", "Transactions/s", "Rate", "Response s", "CPU ms", "CPU", "Failed")
    return Table(heading, columns, tuple(_served_row(size, found, taken[1]) for size, found in taken.items()))


def _served_row(size: int, found: Sequence[Round], alone: Sequence[Round]) -> tuple[str, ...]:
    return (
        str(size),
        f"{median_of(found, lambda one: one.rate):.1f}",
        f"{_median_ratio(found, alone, lambda one: one.rate):.2f}x",
        f"{median_of(found, lambda one: one.response_s):.3f}",
        f"{median_of(found, lambda one: one.cpu_ms):.1f}",
        f"{_median_ratio(found, alone, lambda one: one.cpu_ms):.2f}x",
        str(sum(one.failed for one in found)),
    )


def _median_ratio(found: Sequence[Round], alone: Sequence[Round], figure: Callable[[Round], float]) -> float:
    return statistics.median(figure(one) / figure(other) for one, other in zip(found, alone, strict=True))


def _cpu_ms(bundle: Path, size: int, duration_s: int) -> float:
    arguments = [sys.executable, "-m", f"{__package__}.batching", str(bundle), str(size), str(duration_s)]
    return float(run(arguments, timeout_s=duration_s + 300).output.split()[-1])


def _litert(manifest: BundleManifest, path: Path, size: int) -> Compute:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    given = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(given["index"], [size, manifest.input_size_px, manifest.input_size_px, 3])
    interpreter.allocate_tensors()

    def compute(images: Images) -> None:
        interpreter.set_tensor(given["index"], images.astype(given["dtype"]))
        interpreter.invoke()

    return compute


def _openvino(manifest: BundleManifest, path: Path, size: int) -> Compute:
    import openvino

    from foodbench.serving.runtimes.openvino import FLOAT_PRECISIONS, GRAPH_MEMBER, WEIGHTS_MEMBER

    core = openvino.Core()
    with zipfile.ZipFile(path) as archive:
        model = core.read_model(archive.read(GRAPH_MEMBER), archive.read(WEIGHTS_MEMBER))
    model.reshape([size, manifest.input_size_px, manifest.input_size_px, 3])
    precision = FLOAT_PRECISIONS[manifest.runtime]
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda images: request.infer([images], share_inputs=True, share_outputs=True)


def _onnx(_manifest: BundleManifest, path: Path, size: int) -> Compute:
    import onnx
    import onnxruntime

    model = onnx.load(path)
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = size
    del model.graph.value_info[:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})


def _keras(_manifest: BundleManifest, path: Path, _size: int) -> Compute:
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.models.load_model(path, compile=False)
    traced: Any = tf.function(lambda images: model(images, training=False))
    return lambda images: traced(tf.constant(images)).numpy()


COMPUTE: dict[str, Callable[[BundleManifest, Path, int], Compute]] = {
    "litert": _litert,
    "openvino": _openvino,
    "onnx": _onnx,
    "keras": _keras,
}
"""By the first word of the runtime's name."""


def _main(bundle: str, size: str, duration_s: str) -> None:
    directory = Path(bundle)
    manifest = read_manifest(directory)
    compute = COMPUTE[manifest.runtime.partition("-")[0]](manifest, directory / manifest.weights_file, int(size))
    shape = (int(size), manifest.input_size_px, manifest.input_size_px, 3)
    images = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    for _ in range(WARM_UP):
        compute(images)
    batches, began_s, cpu_began_s = 0, time.monotonic(), time.process_time()
    while time.monotonic() - began_s < float(duration_s):
        compute(images)
        batches += 1
    sys.stdout.write(f"{1000 * (time.process_time() - cpu_began_s) / (batches * int(size))}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
