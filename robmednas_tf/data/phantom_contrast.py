"""What the tissues of the head phantom look like in MR and CT: one table, one signal equation.

Relaxation times are at 1.5 T. Sources, by row of the table:

- fat, muscle, CSF, grey and white matter: T1, T2* and proton density of BrainWeb's simulator
  (Collins et al. 1998, IEEE Trans. Med. Imaging 17:463; Kwan et al. 1999, 18:1085), but for
  muscle's T1 (Stanisz et al. 2005, Magn. Reson. Med. 54:507).
- skin: muscle's values in BrainWeb with a shorter T2* and less free water, this project's choice.
- cortical bone and tooth: T1 140 to 260 ms, T2* 0.42 to 0.50 ms (Reichert et al. 2005, Magn. Reson.
  Imaging 23:611), about a fifth of water's proton density; teeth are taken as denser bone.
- diploe: T1 half way between BrainWeb's fat, 350 ms, and marrow, 549 ms (de Bazelaire et al. 2004,
  Radiology 230:652), as adults' marrow there is part fat; T2* shortened by the trabeculae and
  proton density lowered by their share of the volume are this project's choice.
- vitreous and lens: this project's choice, a free fluid and a dense protein.

HU are textbook values: soft tissue 10 to 60, fat -100, compact bone above 1000, teeth above 2000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REPETITION_TIME_MS = 20.0
ECHO_TIME_MS = 4.6
FLIP_ANGLE_DEG = 25.0


@dataclass(frozen=True)
class Tissue:
    """One tissue: MR relaxation at 1.5 T and CT number.

    Attributes:
        name: What the tissue is called.
        t1_ms: Longitudinal relaxation time.
        t2_star_ms: Effective transverse relaxation time.
        proton_density: Relative to water, 0 to 1.
        hu: Mean CT number.
        hu_sd: Standard deviation of its texture, in HU, without the scanner's noise.
    """

    name: str
    t1_ms: float
    t2_star_ms: float
    proton_density: float
    hu: float
    hu_sd: float


TISSUES = (
    Tissue("air", 1000.0, 1.0, 0.0, -1000.0, 0.0),
    Tissue("skin", 900.0, 25.0, 0.80, 20.0, 12.0),
    Tissue("fat", 350.0, 58.0, 1.00, -95.0, 10.0),
    Tissue("muscle", 1008.0, 30.0, 1.00, 55.0, 9.0),
    Tissue("cortical bone", 200.0, 0.45, 0.20, 1400.0, 120.0),
    Tissue("diploe", 450.0, 14.0, 0.75, 720.0, 80.0),
    Tissue("csf", 2569.0, 58.0, 1.00, 8.0, 2.0),
    Tissue("grey matter", 833.0, 69.0, 0.86, 38.0, 3.0),
    Tissue("white matter", 500.0, 61.0, 0.77, 28.0, 3.0),
    Tissue("vitreous", 3500.0, 150.0, 1.00, 10.0, 2.0),
    Tissue("lens", 1100.0, 25.0, 0.65, 90.0, 4.0),
    Tissue("tooth", 200.0, 0.30, 0.12, 2300.0, 200.0),
)
INDEX = {tissue.name: index for index, tissue in enumerate(TISSUES)}


def spoiled_gradient_echo(
    proton_density: np.ndarray | float, t1_ms: np.ndarray | float, t2_star_ms: np.ndarray | float
) -> np.ndarray:
    """Steady-state signal of a spoiled gradient echo with the sequence's constants above.

    Args:
        proton_density: Relative to water.
        t1_ms: Longitudinal relaxation time, ms.
        t2_star_ms: Effective transverse relaxation time, ms.

    Returns:
        Signal relative to the equilibrium magnetisation of water.

    Source: Ernst equation, PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE / T2*), E1 = exp(-TR / T1).
    """
    angle = np.deg2rad(FLIP_ANGLE_DEG)
    e1 = np.exp(-REPETITION_TIME_MS / np.asarray(t1_ms))
    recovered = np.sin(angle) * (1.0 - e1) / (1.0 - np.cos(angle) * e1)
    return proton_density * recovered * np.exp(-ECHO_TIME_MS / np.asarray(t2_star_ms))


def subject_contrast(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One subject's tissues: the table with a few per cent of variation in every parameter.

    Args:
        rng: The subject's generator; a fixed number of values is drawn.

    Returns:
        MR signal, CT number in HU and CT texture in HU, each `(tissues,)`.
    """
    table = np.array([(t.t1_ms, t.t2_star_ms, t.proton_density, t.hu, t.hu_sd) for t in TISSUES])
    spread = np.array([0.04, 0.05, 0.02, 0.03, 0.10])
    varied = table * (1.0 + spread * np.clip(rng.standard_normal(table.shape), -2.5, 2.5))
    varied[INDEX["air"], 3] = TISSUES[INDEX["air"]].hu
    t1_ms, t2_star_ms, proton_density, hu, hu_sd = varied.T
    return spoiled_gradient_echo(proton_density, t1_ms, t2_star_ms), hu, hu_sd
