"""Which classes a model is poor at."""

from __future__ import annotations

from dataclasses import dataclass

from foodbench.analysis.statistics import wilson_interval
from foodbench.records.models import ModelArtifact

__all__ = ["ClassAccuracy", "class_accuracies", "poor_classes"]


@dataclass(frozen=True)
class ClassAccuracy:
    """How many images of one class were answered right (its recall), with the 95 % Wilson interval."""

    name: str
    correct: int
    images: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share answered right."""
        return self.correct / self.images


def class_accuracies(model: ModelArtifact) -> tuple[ClassAccuracy, ...]:
    """Return the accuracy of each class that has evaluation images, in the order of the classes."""
    found = []
    for number, (name, row) in enumerate(zip(model.dataset.classes, model.evaluation.confusion, strict=True)):
        images = sum(row)
        if images:
            found.append(ClassAccuracy(name, row[number], images, *wilson_interval(row[number], images)))
    return tuple(found)


def poor_classes(model: ModelArtifact) -> tuple[ClassAccuracy, ...]:
    """Return the classes that are worse than the model as a whole, poorest first.

    Worse means that the whole interval of the class lies below the model's accuracy: a class that is
    low by chance, having few images, is not named.
    """
    worse = [found for found in class_accuracies(model) if found.high < model.evaluation.accuracy]
    return tuple(sorted(worse, key=lambda found: found.value))
