"""The figures of one network that a search and a training both end with."""

from __future__ import annotations

from collections.abc import Sequence

from robmednas_tf.evaluation.inference import Panel
from robmednas_tf.models.architecture import Architecture
from robmednas_tf.report import alternatives
from robmednas_tf.report.drawing import draw_architecture
from robmednas_tf.report.page import Drawn
from robmednas_tf.report.panels import draw_panels


def drawn_architecture(architecture: Architecture, image_size: int) -> Drawn:
    """Returns the drawing of an architecture for slices of so many pixels a side."""
    figure = draw_architecture(architecture, image_size)
    return Drawn("architecture", figure, alternatives.of_architecture(architecture))


def drawn_panels(panels: Sequence[Panel], epsilon: float) -> Drawn:
    """Returns slices, at least one, under an attack of this size in z-score units."""
    return Drawn("panels", draw_panels(panels, epsilon), alternatives.of_panels(panels))
