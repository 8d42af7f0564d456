"""The usual notebook: ``ImageDataGenerator.flow_from_directory`` and ``fit`` on a frozen base, in a process of its own.

It imports TensorFlow as a notebook does, not by ``foodbench.keras_door``, whose settings are foodbench's own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from foodbench.records.experiments import ModelSpec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

__all__ = ["main"]


def main(folder: Path, weights: Path, spec: ModelSpec) -> None:
    """Train a head as ``spec`` says and print how long it took and what it reached, as JSON.

    Args:
        folder: training/<class>/ and validation/<class>/.
        weights: Keras' official file for the base.
        spec: MobileNetV2, with its own preprocessing.
    """
    import keras

    keras.utils.set_random_seed(spec.recipe.seed)
    side, recipe = (spec.input_size_px, spec.input_size_px), spec.recipe
    training, validation = (
        generator.flow_from_directory(
            folder / split,
            target_size=side,
            batch_size=recipe.batch_size,
            class_mode="sparse",
            shuffle=split == "training",
            seed=recipe.seed,
        )
        for split, generator in (("training", _generator(spec)), ("validation", _generator(spec, augmented=False)))
    )
    base = keras.applications.MobileNetV2(
        include_top=False, pooling="avg", weights=None, alpha=spec.width, input_shape=(*side, 3)
    )
    base.load_weights(weights)
    base.trainable = False
    model = keras.Sequential([base, keras.layers.Dense(training.num_classes, activation="softmax")])
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.head.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    began_s = time.monotonic()
    history = model.fit(training, validation_data=validation, epochs=recipe.head.epochs, verbose=0).history
    best = min(range(recipe.head.epochs), key=history["val_loss"].__getitem__)
    json.dump({"duration_s": time.monotonic() - began_s, "accuracy": history["val_accuracy"][best]}, sys.stdout)


def _generator(spec: ModelSpec, *, augmented: bool = True) -> Any:
    import keras
    import tensorflow as tf

    changes: dict[str, Any] = {}
    augmentation = spec.recipe.augmentation
    if augmented and augmentation is not None:
        changes = {
            "rotation_range": augmentation.rotation_degrees,
            "zoom_range": augmentation.zoom_fraction,
            "width_shift_range": augmentation.shift_fraction,
            "height_shift_range": augmentation.shift_fraction,
            "shear_range": augmentation.shear_degrees,
            "horizontal_flip": augmentation.horizontal_flip,
        }
    preprocess = keras.applications.mobilenet_v2.preprocess_input
    return tf.keras.preprocessing.image.ImageDataGenerator(preprocessing_function=preprocess, **changes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), ModelSpec.model_validate_json(sys.argv[3]))
