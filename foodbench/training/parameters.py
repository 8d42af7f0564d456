"""Parameters of each backbone without top, so that they can be listed without building it.

Counted by ``backbones.count_parameters`` of what ``backbones.build_base`` builds at 224 px and width 1 with Keras 3.15.
"""

from __future__ import annotations

from foodbench.records.models import ParameterCount

__all__ = ["parameters_of"]

_COUNTS: dict[str, tuple[int, int, int]] = {
    "MobileNet": (3_228_864, 3_206_976, 21_888),
    "MobileNetV2": (2_257_984, 2_223_872, 34_112),
    "MobileNetV3Small": (939_120, 927_008, 12_112),
    "MobileNetV3Large": (2_996_352, 2_971_952, 24_400),
    "Xception": (20_861_480, 20_806_952, 54_528),
    "VGG16": (14_714_688, 14_714_688, 0),
    "VGG19": (20_024_384, 20_024_384, 0),
    "ResNet50": (23_587_712, 23_534_592, 53_120),
    "ResNet101": (42_658_176, 42_552_832, 105_344),
    "ResNet152": (58_370_944, 58_219_520, 151_424),
    "ResNet50V2": (23_564_800, 23_519_360, 45_440),
    "ResNet101V2": (42_626_560, 42_528_896, 97_664),
    "ResNet152V2": (58_331_648, 58_187_904, 143_744),
    "InceptionV3": (21_802_784, 21_768_352, 34_432),
    "InceptionResNetV2": (54_336_736, 54_276_192, 60_544),
    "DenseNet121": (7_037_504, 6_953_856, 83_648),
    "DenseNet169": (12_642_880, 12_484_480, 158_400),
    "DenseNet201": (18_321_984, 18_092_928, 229_056),
    "NASNetMobile": (4_269_716, 4_232_978, 36_738),
    "NASNetLarge": (84_916_818, 84_720_150, 196_668),
    "EfficientNetB0": (4_049_571, 4_007_548, 42_023),
    "EfficientNetB1": (6_575_239, 6_513_184, 62_055),
    "EfficientNetB2": (7_768_569, 7_700_994, 67_575),
    "EfficientNetB3": (10_783_535, 10_696_232, 87_303),
    "EfficientNetB4": (17_673_823, 17_548_616, 125_207),
    "EfficientNetB5": (28_513_527, 28_340_784, 172_743),
    "EfficientNetB6": (40_960_143, 40_735_704, 224_439),
    "EfficientNetB7": (64_097_687, 63_786_960, 310_727),
    "EfficientNetV2B0": (5_919_312, 5_858_704, 60_608),
    "EfficientNetV2B1": (6_931_124, 6_860_052, 71_072),
    "EfficientNetV2B2": (8_769_374, 8_687_086, 82_288),
    "EfficientNetV2B3": (12_930_622, 12_821_406, 109_216),
    "EfficientNetV2S": (20_331_360, 20_177_488, 153_872),
    "EfficientNetV2M": (53_150_388, 52_858_356, 292_032),
    "EfficientNetV2L": (117_746_848, 117_234_272, 512_576),
    "ConvNeXtTiny": (27_820_128, 27_820_128, 0),
    "ConvNeXtSmall": (49_454_688, 49_454_688, 0),
    "ConvNeXtBase": (87_566_464, 87_566_464, 0),
    "ConvNeXtLarge": (196_230_336, 196_230_336, 0),
    "ConvNeXtXLarge": (348_147_968, 348_147_968, 0),
}
"""Total, trainable, non-trainable."""


def parameters_of(backbone: str) -> ParameterCount:
    """Return the parameters of a backbone of the catalogue, by its name there."""
    total, trainable, non_trainable = _COUNTS[backbone]
    return ParameterCount(total=total, trainable=trainable, non_trainable=non_trainable)
