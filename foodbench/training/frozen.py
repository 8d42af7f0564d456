"""What the frozen part of a network answers, computed once and kept on disk while the rest is trained."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foodbench.data.arrays import write_array
from foodbench.errors import MachineError
from foodbench.keras_door import inference_function, tf
from foodbench.progress import Progress
from foodbench.training.augmentation import Augmenter
from foodbench.training.batches import Examples, as_it_is

__all__ = ["FrozenPart", "Inputs"]

BATCH_SIZE = 32

LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Inputs:
    """What a phase trains on."""

    draws: Sequence[Examples]
    """Versions of the same training examples, for one epoch after the other."""
    validation: Examples
    augment: Augmenter | None = None
    """What is still to be done to the training examples, anew in every epoch."""


@dataclass(frozen=True)
class FrozenPart:
    """A model that is not trained.

    Its answers are kept as float16, which rounds them by at most 1/2048 of themselves.
    """

    model: Any
    name: str
    """Of the answers' files."""
    directory: Path
    """For them; a file that is there already is taken as it is."""
    description: str
    """Of the work, for the progress."""
    progress: Progress

    def answers(self, inputs: Inputs, draws: int) -> Inputs:
        """Return the model's answers in inference mode, mapped from files.

        Args:
            inputs: To the model.
            draws: How often to augment the training examples where they are still to be augmented.

        Raises:
            MachineError: The disk is full.
        """
        before = list(inputs.draws) if inputs.augment is None else [*inputs.draws] * draws
        wanted = {f"{self.name}-training-{number}": examples for number, examples in enumerate(before, start=1)}
        wanted[f"{self.name}-validation"] = inputs.validation
        self._refuse_without_space(wanted)
        augmented = None if inputs.augment is None else _compiled(inputs.augment, inputs.draws[0])
        for number, (name, examples) in enumerate(wanted.items(), start=1):
            path = self._path(name)
            if path.exists():
                continue
            if inputs.augment is not None and number <= len(before):
                inputs.augment.begin(number)
                self._write(path, examples, augmented)
            else:
                self._write(path, examples)
        *answered, validation = (
            as_it_is(np.load(self._path(name), mmap_mode="r"), examples.labels) for name, examples in wanted.items()
        )
        return Inputs(answered, validation)

    @cached_property
    def _answer(self) -> Callable[[Any], Any]:
        # Once for all files: it takes as long as a hundred images do.
        return inference_function(self.model)

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.npy"

    def _shape(self, examples: Examples) -> tuple[int, ...]:
        return (len(examples), *self.model.output_shape[1:])

    def _refuse_without_space(self, wanted: dict[str, Examples]) -> None:
        missing = (self._shape(examples) for name, examples in wanted.items() if not self._path(name).exists())
        needed = sum(math.prod(shape) for shape in missing) * np.dtype(np.float16).itemsize
        free = shutil.disk_usage(self.directory).free
        if needed > free:
            raise MachineError(
                f"what the frozen layers answer takes {needed / 2**30:.1f} GiB in {self.directory}, "
                f"where {free / 2**30:.1f} GiB are free",
                "Lower recipe.augmentation_draws, free some disk space, or choose another folder with --results",
            )

    def _write(self, path: Path, examples: Examples, augmented: Callable[[Any], Any] | None = None) -> None:
        description = f"{self.description}: {path.stem}"

        def fill(array: npt.NDArray[Any]) -> None:
            for number, batch in enumerate(_batches(examples, augmented)):
                start = number * BATCH_SIZE
                end = min(start + BATCH_SIZE, len(examples))
                array[start:end] = self._answer(batch).numpy().clip(-LARGEST_FLOAT16, LARGEST_FLOAT16)
                self.progress.step(description, end, len(examples))

        write_array(path, self._shape(examples), np.float16, fill)


def _batches(examples: Examples, augmented: Callable[[Any], Any] | None) -> Iterator[Any]:
    """Yield all examples in order, ready and augmented. The next batch is made meanwhile: augmenting takes one core."""

    def batch(start: int) -> Any:
        ready = examples.ready(examples.values[start : start + BATCH_SIZE])
        return ready if augmented is None else augmented(ready)

    with ThreadPoolExecutor(max_workers=1) as ahead:
        following = ahead.submit(batch, 0)
        for start in range(BATCH_SIZE, len(examples), BATCH_SIZE):
            current, following = following.result(), ahead.submit(batch, start)
            yield current
        yield following.result()


def _compiled(augment: Augmenter, examples: Examples) -> Callable[[Any], Any]:
    signature = [tf.TensorSpec((None, *examples.values.shape[1:]), tf.float32)]
    compiled: Callable[[Any], Any] = tf.function(augment, input_signature=signature)
    return compiled
