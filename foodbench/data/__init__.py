"""From a folder, an archive or a seed to a verified data set."""

from foodbench.data.arrays import load_arrays
from foodbench.data.dataset import FOOD11_CLASSES, Dataset, LabelledFile
from foodbench.data.preparation import prepare

__all__ = ["FOOD11_CLASSES", "Dataset", "LabelledFile", "load_arrays", "prepare"]
