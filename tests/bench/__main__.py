"""``python -m tests.bench``: measure the service, and print a table for each question."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from foodbench.records.deployments import LoadBalancer
from foodbench.records.names import Runtime
from foodbench.serving.runtimes import BATCHING_RUNTIMES

# The tests' own modules, which their configuration puts on the path, are used here too.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_bundles import make_bundle

from .batching import measure_batched_service, measure_batching
from .bundles import BenchModel, bundle_for, make_model
from .ceiling import PLACEMENTS, measure_ceiling
from .chaos import measure_chaos
from .cycles import measure_cycles
from .draws import compare_draws
from .overload import measure_overload
from .parallelism import measure_parallelism
from .photographs import LARGE_PX, SMALL_PX, photograph
from .steadiness import measure_steadiness
from .tables import Table
from .throughput import COMPARISONS, compare
from .training import TrainingSize, compare_training

PHOTOGRAPHS = {"large": LARGE_PX, "small": SMALL_PX}


@dataclass
class Bench:
    """What the measurements share: where models lie, and how long each takes."""

    directory: Path
    weights: Path | None
    models: tuple[str, ...]
    photographs: tuple[str, ...]
    quick: bool
    every_runtime: bool
    rounds: int
    """Pairs of measurements in turn."""
    siege_s: int
    """Of one siege of the throughput's rounds."""
    cycles: int
    """Replicas started and stopped for each kind of connection and load balancer."""
    seed: int
    """Of what happens at random."""
    data: Path | None
    """Photographs to train on."""
    training: TrainingSize
    _made: dict[str, BenchModel] = field(default_factory=dict)

    def model(self, backbone: str) -> BenchModel:
        """Return a model, built once."""
        if backbone not in self._made:
            self._made[backbone] = make_model(backbone, self.directory, self.weights)
        return self._made[backbone]

    def bundle(self, backbone: str, runtime: Runtime, side_px: int) -> Path:
        """Return a bundle whose /test predicts a drawn photograph of that side."""
        return bundle_for(self.model(backbone), runtime, photograph(side_px), self.directory)

    def tiny_bundle(self) -> Path:
        """Return a bundle whose model costs next to nothing."""
        bundle = self.directory / "tiny"
        if not bundle.exists():
            make_bundle(bundle)
        return bundle

    def shortened(self, usual: int, quick: int) -> int:
        """Return a duration or a count."""
        return quick if self.quick else usual


def throughput(bench: Bench) -> Iterator[Table]:
    for backbone in bench.models:
        for name in bench.photographs if backbone == "MobileNetV2" else ("large",):
            image = photograph(PHOTOGRAPHS[name])
            yield compare(
                bench.model(backbone),
                image,
                f"{PHOTOGRAPHS[name]} px ({len(image) / 1000:.0f} kB)",
                bench.directory,
                pairs=bench.shortened(bench.rounds, 1),
                duration_s=bench.shortened(bench.siege_s, 4),
                every_runtime=bench.every_runtime,
            )


def ceiling(bench: Bench) -> Iterator[Table]:
    for name in bench.photographs:
        bundle = bench.bundle("MobileNetV2", "litert-int8", PHOTOGRAPHS[name])
        for placement in PLACEMENTS:
            yield measure_ceiling(
                bundle, placement, pairs=bench.shortened(bench.rounds, 1), duration_s=bench.shortened(6, 4)
            )


def memory(bench: Bench) -> Iterator[Table]:
    bundle = bench.bundle("MobileNetV2", "litert-int8", SMALL_PX)
    yield measure_steadiness(bundle, requests=bench.shortened(50_000, 2_000))


def overload(bench: Bench) -> Iterator[Table]:
    bundle = bench.bundle("ResNet101V2", "litert", LARGE_PX)
    yield measure_overload(bundle, duration_s=bench.shortened(60, 10))


def cycles(bench: Bench) -> Iterator[Table]:
    connections: tuple[Literal["close", "keep-alive"], ...] = ("close", "keep-alive")
    balancers: tuple[LoadBalancer, ...] = ("haproxy", "built-in")
    for connection in connections:
        for balancer in balancers:
            directory = bench.directory / f"cycles-{connection}-{balancer}"
            yield measure_cycles(
                bench.tiny_bundle(),
                directory,
                cycles=bench.shortened(bench.cycles, 2),
                connection=connection,
                balancer=balancer,
            )


def chaos(bench: Bench) -> Iterator[Table]:
    yield measure_chaos(
        bench.tiny_bundle(), bench.directory / "chaos", duration_s=bench.shortened(120, 10), seed=bench.seed
    )


def training(bench: Bench) -> Iterator[Table]:
    if bench.data is None or bench.weights is None:
        return _left_out("training")
    return compare_training(bench.data, bench.weights, bench.training, bench.directory)


def draws(bench: Bench) -> Iterator[Table]:
    if bench.data is None or bench.weights is None:
        return _left_out("draws")
    return iter((compare_draws(bench.data, bench.weights, bench.training, bench.directory),))


def _left_out(question: str) -> Iterator[Table]:
    sys.stderr.write(f"{question}: needs photographs (--data) and ImageNet weights (--weights); left out\n")
    return iter(())


COMPUTERS: tuple[Runtime, ...] = ("litert-int8", "litert", "openvino-int8", "openvino-f32", "onnx", "keras")


def parallelism(bench: Bench) -> Iterator[Table]:
    for backbone in bench.models:
        bundles = [bench.bundle(backbone, runtime, LARGE_PX) for runtime in COMPUTERS]
        yield measure_parallelism(bundles, rounds=bench.shortened(bench.rounds, 1), duration_s=bench.shortened(4, 2))


def batching(bench: Bench) -> Iterator[Table]:
    for backbone in bench.models:
        bundles = [bench.bundle(backbone, runtime, LARGE_PX) for runtime in COMPUTERS]
        yield measure_batching(bundles, duration_s=bench.shortened(4, 2))
        for runtime in (one for one in COMPUTERS if one in BATCHING_RUNTIMES):
            yield measure_batched_service(
                bench.bundle(backbone, runtime, LARGE_PX),
                rounds=bench.shortened(bench.rounds, 1),
                duration_s=bench.shortened(bench.siege_s, 4),
            )


QUESTIONS: dict[str, Callable[[Bench], Iterator[Table]]] = {
    "throughput": throughput,
    "ceiling": ceiling,
    "memory": memory,
    "overload": overload,
    "cycles": cycles,
    "chaos": chaos,
    "training": training,
    "draws": draws,
    "parallelism": parallelism,
    "batching": batching,
}


def main() -> int:
    """Answer the questions asked, all of them unless some are named."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="foodbench-bench-") as directory:
        bench = Bench(
            directory=Path(directory) if options.directory is None else options.directory,
            weights=options.weights,
            models=tuple(options.model or COMPARISONS),
            photographs=tuple(options.photograph or PHOTOGRAPHS),
            quick=options.quick,
            every_runtime=options.every_runtime,
            rounds=options.rounds,
            siege_s=options.siege_s,
            cycles=options.cycles,
            seed=options.seed,
            data=options.data,
            training=TrainingSize(20, 96, 1)
            if options.quick
            else TrainingSize(options.images_per_class, options.input_size_px, options.seeds),
        )
        bench.directory.mkdir(parents=True, exist_ok=True)
        for question in options.questions or QUESTIONS:
            for table in QUESTIONS[question](bench):
                sys.stdout.write(table.markdown() + "\n")
                sys.stdout.flush()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("questions", nargs="*", metavar="QUESTION", choices=[*QUESTIONS, []], help=", ".join(QUESTIONS))
    add("--quick", action="store_true", help="once and briefly: shows that the bench works, not what is true")
    add(
        "--model",
        action="append",
        choices=list(COMPARISONS),
        help="only this one; may be repeated (throughput, parallelism, batching)",
    )
    add("--photograph", action="append", choices=list(PHOTOGRAPHS), help="only this one (throughput, ceiling)")
    add("--every-runtime", action="store_true", help="those without a goal too (throughput)")
    add("--rounds", type=int, default=5, metavar="N", help="of both sides in turn (%(default)s)")
    add("--siege-s", type=int, default=10, metavar="S", help="of each siege (throughput, batching; %(default)s)")
    add("--cycles", type=int, default=100, metavar="N", help="replicas started and stopped (cycles; %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="of what happens at random (chaos; %(default)s)")
    given = os.environ.get("FOODBENCH_WEIGHTS")
    add(
        "--weights",
        type=Path,
        default=None if given is None else Path(given),
        metavar="DIR",
        help="folder of Keras' official weights, else FOODBENCH_WEIGHTS; random without",
    )
    photographs = os.environ.get("FOODBENCH_DATA")
    add(
        "--data",
        type=Path,
        default=None if photographs is None else Path(photographs),
        metavar="PATH",
        help="folder or archive of photographs, else FOODBENCH_DATA (training, draws)",
    )
    add("--images-per-class", type=int, default=300, metavar="N", help="to train on (training, draws; %(default)s)")
    add("--input-size-px", type=int, default=224, metavar="N", help="of the network (training, draws; %(default)s)")
    add("--seeds", type=int, default=3, metavar="N", help="to repeat with (training, draws; %(default)s)")
    add("--directory", type=Path, metavar="DIR", help="keep models and bundles here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
