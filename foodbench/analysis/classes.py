"""How well a model does on each class, and which classes it is poor at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foodbench.analysis.statistics import wilson_interval
from foodbench.records.models import Evaluation, ModelArtifact

__all__ = ["ClassScores", "class_scores", "poor_classes"]


@dataclass(frozen=True)
class ClassScores:
    """What became of the images of one class, and of those taken for it."""

    name: str
    correct: int
    """Images of the class that were answered so."""
    images: int
    """Images of the class: its support."""
    answers: int
    """Images that were answered so, rightly or not."""
    low: float
    """Lower end of the 95 % Wilson interval of the recall."""
    high: float

    @property
    def recall(self) -> float | None:
        """Share of its images that were answered so; None where it has none."""
        return self.correct / self.images if self.images else None

    @property
    def precision(self) -> float | None:
        """Share of the answers that were right; None where none was given."""
        return self.correct / self.answers if self.answers else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where it has neither images nor answers."""
        return 2 * self.correct / (self.images + self.answers) if self.images + self.answers else None


def class_scores(classes: Sequence[str], evaluation: Evaluation) -> tuple[ClassScores, ...]:
    """Return the scores of each class, in the order of ``classes``."""
    confusion = evaluation.confusion
    found = []
    for number, (name, row) in enumerate(zip(classes, confusion, strict=True)):
        images, answers = sum(row), sum(other[number] for other in confusion)
        found.append(ClassScores(name, row[number], images, answers, *wilson_interval(row[number], images)))
    return tuple(found)


def poor_classes(model: ModelArtifact) -> tuple[ClassScores, ...]:
    """Return the classes that are worse than the model as a whole, poorest recall first.

    Worse means that the whole interval of the class lies below the model's accuracy: a class that is
    low by chance, having few images, is not named.
    """
    scores = class_scores(model.dataset.classes, model.evaluation)
    worse = [found for found in scores if found.images and found.high < model.evaluation.accuracy]
    return tuple(sorted(worse, key=lambda found: (found.recall, found.name)))
