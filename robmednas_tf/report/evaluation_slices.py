"""What models make of a few slices, clean and perturbed, and what the perturbations look like.

Source: paper Figures 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from robmednas_tf.attacks.notation import CLEAN, Perturbation
from robmednas_tf.evaluation.outcomes import PredictedSlice
from robmednas_tf.report import wording
from robmednas_tf.report.conditions import condition_label
from robmednas_tf.report.evaluation_contents import EvaluationReport
from robmednas_tf.report.panels import mean_dice
from robmednas_tf.report.tile_grid import TileGrid
from robmednas_tf.report.tiles import Tile, ct_scale, mr_scale, perturbation_scale

# A slice's subject and its number there.
Place = tuple[str, int]


def places(report: EvaluationReport) -> list[Place]:
    """Returns which slices are shown, in the report's order."""
    return list(dict.fromkeys((one.subject, one.slice_index) for one in report.slices))


def slices_in(
    report: EvaluationReport, condition: str
) -> Mapping[str, Mapping[Place, PredictedSlice]]:
    """Returns the slices of a condition by model and place."""
    found: dict[str, dict[Place, PredictedSlice]] = {name: {} for name in report.model_names}
    for one in report.slices:
        if one.condition == condition:
            found[one.model][one.subject, one.slice_index] = one
    return found


def draw_slices(report: EvaluationReport, condition: str) -> Figure:
    """Draws a column a slice: MR, CT and, a row a model, the synthetic CT with its mean Dice.

    Args:
        report: With slices.
        condition: One of the report's; the MR is shown as it is without.
    """
    columns, mr, ct = places(report), mr_scale(one.mr for one in report.slices), ct_scale()
    grid = TileGrid(len(columns), [1, 0.2] + [1] * len(report.models))
    grid.label(0, "MR" if condition == CLEAN else "MR, unperturbed")
    grid.label(1, "CT")
    for row, (name, shown) in enumerate(slices_in(report, condition).items(), start=2):
        grid.label(row, name)
        for place, one in shown.items():
            dice = wording.number(mean_dice(one.ct, one.synthetic_ct), 3)
            grid.draw(row, columns.index(place), Tile(f"mean Dice {dice}", one.synthetic_ct, ct))
    for one in {(one.subject, one.slice_index): one for one in report.slices}.values():
        column = columns.index((one.subject, one.slice_index))
        title = grid.fitted(f"{one.subject}, slice {one.slice_index}", 1)
        grid.draw(0, column, Tile(title, one.mr, mr))
        grid.draw(1, column, Tile("", one.ct, ct))
    grid.bars([mr, ct])
    return grid.figure


def draw_perturbations(report: EvaluationReport, condition: str) -> Figure:
    """Draws one slice as each model saw it, the MR itself before them, the difference below.

    Args:
        report: With slices; the one in the middle is drawn.
        condition: A perturbation.
    """
    place = places(report)[len(places(report)) // 2]
    seen = {
        name: shown[place] for name, shown in slices_in(report, condition).items() if place in shown
    }
    deltas = {name: one.perturbed_mr - one.mr for name, one in seen.items()}
    # Noise has no largest value: the span holds nearly all of it.
    largest = np.percentile(np.abs(list(deltas.values())), 99.7)
    mr = next(one.mr for one in report.slices if (one.subject, one.slice_index) == place)
    scales = (
        mr_scale([mr]),
        perturbation_scale(Perturbation.parse(condition).size, float(largest)),
    )
    grid = TileGrid(1 + len(report.models), [2, 1])
    grid.label(0, f"{place[0]}, slice {place[1]}")
    grid.label(1, f"what {condition_label(condition)} adds")
    grid.draw(0, 0, Tile("MR, unperturbed", mr, scales[0]))
    for column, (name, delta) in enumerate(deltas.items(), start=1):
        title = grid.fitted(f"seen by {name}", 2)
        grid.draw(0, column, Tile(title, seen[name].perturbed_mr, scales[0]))
        grid.draw(1, column, Tile(f"at most {np.abs(delta).max():.2g}", delta, scales[1]))
    grid.bars(scales)
    return grid.figure
