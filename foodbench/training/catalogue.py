"""The backbones: every image classifier of keras.applications, by its name there.

A table without Keras, so that a weights file is looked for, and a digest known, without importing it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import get_args

from foodbench.errors import InputError
from foodbench.imaging import Scaling
from foodbench.records.experiments import ModelSpec

__all__ = ["BACKBONES", "Affine", "Backbone", "find_backbone", "resolve", "scaling_of", "weights_file_names"]


@dataclass(frozen=True)
class Affine:
    """x · scale + offset, per colour channel."""

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


@dataclass(frozen=True)
class Backbone:
    """What foodbench must know of one of Keras' networks before it builds it."""

    name: str
    scaling: Scaling
    """Of its own preprocessing."""
    weights_file: str
    """Name of Keras' file of ImageNet weights without top; {width} and {size} stand for themselves."""
    adapter: Affine | None = None
    """What its own preprocessing does beyond ``scaling``; becomes a layer of the model."""
    widths: tuple[float, ...] = ()
    """Widths that ImageNet weights exist for; empty where the network has only one width."""
    sizes_px: tuple[int, ...] = ()
    """Input sizes that ImageNet weights were trained for, where there are several."""
    optional_preprocessing: bool = False
    """Whether Keras builds the preprocessing into the network unless told not to."""


MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue on a scale of 0 to 1, as in keras.applications.imagenet_utils (mode "torch")."""

STANDARDISE = Affine(
    scale=(1 / DEVIATION[0], 1 / DEVIATION[1], 1 / DEVIATION[2]),
    offset=(-MEAN[0] / DEVIATION[0], -MEAN[1] / DEVIATION[1], -MEAN[2] / DEVIATION[2]),
)
"""(x - mean) / deviation, x from 0 to 1."""


def _undo_efficientnet(channel: int) -> tuple[float, float]:
    # Its first layers compute (x / 255 - mean) / √variance, where its weights file holds the deviation
    # as the variance; Keras mends that by one more division by √deviation only in the copy that it
    # loads itself. (x - mean) / deviation must come out here too.
    root: float = DEVIATION[channel] ** 0.5
    return 255 / root, 255 * MEAN[channel] * (1 - 1 / root)


_RED, _GREEN, _BLUE = (_undo_efficientnet(channel) for channel in range(3))
EFFICIENTNET = Affine(scale=(_RED[0], _GREEN[0], _BLUE[0]), offset=(_RED[1], _GREEN[1], _BLUE[1]))

OVER_128 = Affine(scale=(127.5 / 128,) * 3, offset=(127.5 / 128 - 1,) * 3)
"""From pixel / 127.5 - 1 to the pixel / 128 - 1 that the larger EfficientNetV2 take."""

TENSORFLOW_FILE = "{stem}_weights_tf_dim_ordering_tf_kernels_notop.h5"


def _all() -> tuple[Backbone, ...]:
    stemmed: dict[str, tuple[str, Scaling, Affine | None]] = {
        "Xception": ("xception", "minus-one-to-one", None),
        "VGG16": ("vgg16", "caffe", None),
        "VGG19": ("vgg19", "caffe", None),
        "ResNet50": ("resnet50", "caffe", None),
        "ResNet101": ("resnet101", "caffe", None),
        "ResNet152": ("resnet152", "caffe", None),
        "ResNet50V2": ("resnet50v2", "minus-one-to-one", None),
        "ResNet101V2": ("resnet101v2", "minus-one-to-one", None),
        "ResNet152V2": ("resnet152v2", "minus-one-to-one", None),
        "InceptionV3": ("inception_v3", "minus-one-to-one", None),
        "InceptionResNetV2": ("inception_resnet_v2", "minus-one-to-one", None),
        "DenseNet121": ("densenet121", "zero-to-one", STANDARDISE),
        "DenseNet169": ("densenet169", "zero-to-one", STANDARDISE),
        "DenseNet201": ("densenet201", "zero-to-one", STANDARDISE),
    }
    efficientnet_v2 = Backbone("", "zero-to-one", "", STANDARDISE, optional_preprocessing=True)
    return (
        Backbone(
            "MobileNet",
            "minus-one-to-one",
            "mobilenet_{width}_{size}_tf_no_top.h5",
            widths=(0.25, 0.5, 0.75, 1.0),
            sizes_px=(128, 160, 192, 224),
        ),
        Backbone(
            "MobileNetV2",
            "minus-one-to-one",
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_{size}_no_top.h5",
            widths=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
            sizes_px=(96, 128, 160, 192, 224),
        ),
        *(
            Backbone(
                f"MobileNetV3{size}",
                "minus-one-to-one",
                f"weights_mobilenet_v3_{size.lower()}_224_{{width}}_float_no_top_v2.h5",
                widths=(0.75, 1.0),
                optional_preprocessing=True,
            )
            for size in ("Small", "Large")
        ),
        *(
            Backbone(name, scaling, TENSORFLOW_FILE.format(stem=stem), adapter)
            for name, (stem, scaling, adapter) in stemmed.items()
        ),
        Backbone("NASNetMobile", "minus-one-to-one", "nasnet_mobile_no_top.h5"),
        Backbone("NASNetLarge", "minus-one-to-one", "nasnet_large_no_top.h5"),
        *(
            Backbone(f"EfficientNetB{number}", "zero-to-one", f"efficientnetb{number}_notop.h5", EFFICIENTNET)
            for number in range(8)
        ),
        *(
            replace(efficientnet_v2, name=f"EfficientNetV2B{n}", weights_file=f"efficientnetv2-b{n}_notop.h5")
            for n in range(4)
        ),
        *(
            replace(
                efficientnet_v2,
                name=f"EfficientNetV2{size}",
                scaling="minus-one-to-one",
                adapter=OVER_128,
                weights_file=f"efficientnetv2-{size.lower()}_notop.h5",
            )
            for size in "SML"
        ),
        *(
            Backbone(
                f"ConvNeXt{size}",
                "zero-to-one",
                f"convnext_{size.lower()}_notop.h5",
                STANDARDISE,
                optional_preprocessing=True,
            )
            for size in ("Tiny", "Small", "Base", "Large", "XLarge")
        ),
    )


BACKBONES: dict[str, Backbone] = {backbone.name: backbone for backbone in _all()}


def find_backbone(name: str) -> Backbone:
    """Return the backbone of that name.

    Raises:
        InputError: There is none; the nearest names are given.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    by_lower_case = {known.lower(): known for known in BACKBONES}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=3, cutoff=0.5)
    names = ", ".join(by_lower_case[match] for match in near) or "MobileNetV2, ResNet101V2, VGG16"
    raise InputError(
        f"there is no backbone {name}",
        f"Keras' image classifiers are meant, for example {names}; or the path of a .keras file of your own",
    )


def resolve(spec: ModelSpec) -> ModelSpec:
    """Return ``spec`` with its own scaling and width written out where it left them to the backbone.

    Raises:
        InputError: There is no such backbone, it has no width to choose, or it cannot take another scaling. Or it
            is a file, which has no width and weights of its own, and whose scaling must be given.
    """
    if spec.has_own_file:
        _check_own(spec)
        return spec
    backbone = find_backbone(spec.backbone)
    if spec.width is not None and not backbone.widths:
        raise InputError(
            f"model {spec.name}: {backbone.name} comes in one width. Received: {spec.width:g}", "Leave width out"
        )
    if spec.scaling not in (None, backbone.scaling) and backbone.adapter is not None:
        raise InputError(
            f"model {spec.name}: {backbone.name} holds the rest of its preprocessing itself, so it takes "
            f"{backbone.scaling} only. Received: {spec.scaling}",
            "Leave scaling out",
        )
    width = spec.width or (1.0 if backbone.widths else None)
    return spec.model_copy(update={"scaling": scaling_of(spec), "width": width})


def _check_own(spec: ModelSpec) -> None:
    if spec.width is not None:
        raise InputError(
            f"model {spec.name}: {spec.backbone} is a file, whose width is what it is. Received: {spec.width:g}",
            "Leave width out",
        )
    if spec.weights != "file":
        raise InputError(
            f"model {spec.name}: {spec.backbone} is a file with weights of its own. Received: weights = "
            f"{spec.weights!r}",
            "Leave weights out",
        )
    if spec.scaling is None:
        raise InputError(
            f"model {spec.name}: how {spec.backbone} wants its pixels scaled does not stand in it, and scaling is "
            "missing",
            f"Set scaling to {', '.join(get_args(Scaling))}, as it was trained with: a wrong one gives a low accuracy "
            "and no error",
        )


def scaling_of(spec: ModelSpec) -> Scaling:
    """Return the scaling that ``spec`` chooses, or its backbone's own."""
    return spec.scaling or find_backbone(spec.backbone).scaling


def weights_file_names(backbone: Backbone, width: float | None, size_px: int) -> tuple[str, ...]:
    """Return the names of the ImageNet weights files that fit, the best first.

    The weights of a convolutional network fit every input size; those trained nearest to it come first,
    and those for 224, which Keras takes for every other size, last.

    Raises:
        InputError: No ImageNet weights exist for ``width``.
    """
    if width is not None and width not in backbone.widths:
        raise InputError(
            f"there are no ImageNet weights of {backbone.name} at width {width:g}",
            f'There are for {", ".join(f"{known:g}" for known in backbone.widths)}; or choose weights = "none"',
        )
    text = f"{float(width or 1)}"
    if backbone.name == "MobileNet":
        text = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}[float(width or 1)]
    sizes = [size_px, 224] if size_px in backbone.sizes_px else [224]
    return tuple(dict.fromkeys(backbone.weights_file.format(width=text, size=size) for size in sizes))
