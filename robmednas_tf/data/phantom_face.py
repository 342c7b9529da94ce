"""The local solids of the head phantom: airways, eyes, teeth, bones and muscles of face and neck.

A structure is a tissue and a solid, in mm of the canonical head (x right, y front, z up; orbits
near z = -22, hard palate -61, chin -106). It hides those after it, so that a bone follows the
marrow or the air that it holds.
"""

from __future__ import annotations

from robmednas_tf.data.phantom_shapes import (
    Shape,
    capsule,
    cells,
    difference,
    ellipsoid,
    grown,
    pair,
    union,
    wall,
)
from robmednas_tf.data.phantom_subject import Traits

Structure = tuple[str, Shape]

_UPPER_TEETH = [(0, 81), (10, 78.5), (18, 71), (23, 59), (26, 44)]
_LOWER_TEETH = [(0, 79), (9, 76.5), (16, 70), (21.5, 58), (26, 42)]
_GAPS = [(4, 84.5), (13, 80.8), (22.5, 71.5), (26.5, 60), (4, 76), (12.5, 72), (18, 64), (20, 54)]
_JAW = [(0, 80), (11, 78.5), (21, 72), (30, 60), (38, 42), (45, 22)]
_ETHMOID = ellipsoid((9, 54, -19), (7, 21, 9))


def airways(t: Traits) -> list[Structure]:
    """Air inside the head: nose, sinuses, pharynx, mouth, ear canals and mastoid cells."""
    mouth = 0.5 * t.jaw_drop_mm
    nose = union(
        ellipsoid((6.2, 58, -44), (7.5, 38, 15)),
        ellipsoid((3.5, 56, -26), (4.0, 30, 14)),
        blend=4.0,
    )
    turbinates = [
        ellipsoid((10.5, 56, -52), (4.2 + t.turbinate_mm, 25, 4.6)),
        ellipsoid((9.5, 52, -41), (3.8 + t.turbinate_mm, 20, 4.0)),
        ellipsoid((7.0, 47, -31), (2.6, 15, 3.2)),
    ]
    septum = wall([(0, 15), (0, 110)], 1.3, -75, 0)
    mastoid = ellipsoid((50, -26, -44), (9 * t.mastoid, 13 * t.mastoid, 17 * t.mastoid))
    return [
        ("air", difference(pair(difference(nose, *turbinates)), septum)),
        ("air", difference(pair(capsule((6, 99, -56), (6, 86, -49), 4.2)), septum)),
        ("air", pair(_maxillary(t))),
        ("air", difference(pair(_frontal(t)), wall([(0, 60), (0, 95)], 0.8, -20, 40))),
        ("air", pair(ellipsoid((7.5, 20, -24), (6.5, 10, 8)))),
        ("air", cells(pair(_ETHMOID), 6.5, 1.3)),
        ("air", cells(pair(mastoid), 5.0, 1.4)),
        ("air", pair(capsule((84, -14, -35), (44, -10, -35), 3.6, 2.8))),
        ("air", pair(ellipsoid((41, -10, -34), (3, 5, 6)))),
        ("air", ellipsoid((0, 9, -52), (11, 9, 17))),
        ("air", capsule((0, 4, -60), (0, -1, -90), 6, 6.5)),
        ("air", ellipsoid((0, 0, -102), (14, 7, 22))),
        ("air", ellipsoid((0, 48, -65.5 - mouth), (17, 22, 1.6 + 0.6 * abs(mouth)))),
    ]


def eyes() -> list[Structure]:
    """Eyeballs with lens, optic nerves, the straight eye muscles, and the fat of the orbit."""
    apex = (13, 22, -20)
    muscles = [
        pair(capsule(apex, tip, 1.6, 2.2))
        for tip in ((44.5, 62, -22), (19.5, 62, -22), (32, 60, -9.5), (32, 60, -34.5))
    ]
    return [
        ("lens", pair(ellipsoid((32, 74.2, -22), (4.6, 2.4, 4.6)))),
        ("vitreous", pair(ellipsoid((32, 65.5, -22), (11.2, 11.4, 11.2)))),
        ("muscle", pair(ellipsoid((32, 65.5, -22), (12.2, 12.4, 12.2)))),
        ("white matter", pair(capsule((32, 55, -22), (7, 18, -17), 2.0))),
        *(("muscle", muscle) for muscle in muscles),
        ("fat", pair(_orbit())),
    ]


def temporal_bone() -> list[Structure]:
    """The dense bone of the inner ear, with its fluid, and the mastoid; both indent the brain."""
    return [
        ("csf", pair(ellipsoid((27, -4, -31), (2.6, 2.6, 2.6)))),
        ("csf", pair(ellipsoid((33, -11, -29), (2.2, 3.2, 3.2)))),
        ("cortical bone", pair(capsule((15, 6, -32), (50, -19, -33), 6.5, 11.0))),
        ("cortical bone", pair(ellipsoid((50, -26, -44), (11.5, 16, 20)))),
    ]


def bones(t: Traits) -> list[Structure]:
    """Teeth, then marrow, then the compact bone of face, skull base and spine."""
    hollow = _hollow_bones(t)
    return [
        *_teeth(t.jaw_drop_mm),
        *(("diploe", grown(bone, -table_mm)) for bone, table_mm in hollow),
        *(("cortical bone", bone) for bone, _ in hollow),
        *(("cortical bone", bone) for bone in _thin_bones(t)),
    ]


def muscles(t: Traits) -> list[Structure]:
    """Chewing muscles, tongue, and the pads of fat between them."""
    drop = t.jaw_drop_mm
    return [
        ("muscle", pair(ellipsoid((62, 22, -2), (10, 30, 36)))),
        ("muscle", pair(capsule((56, 28, -42), (52, 22, -86 - drop), 7.0, 7.5))),
        ("muscle", pair(capsule((24, 24, -42), (38, 14, -80 - drop), 6.5, 6.5))),
        ("muscle", ellipsoid((0, 46, -80 - 0.5 * drop), (21, 33, 14))),
        ("fat", pair(ellipsoid((38, 46, -58), (9, 14, 16)))),
        ("fat", pair(ellipsoid((27, 0, -66), (6, 9, 20)))),
    ]


def spinal_canal() -> list[Structure]:
    """Spinal cord and the fluid around it, below the foramen magnum."""
    return [
        ("white matter", capsule((0, -32, -52), (0, -40, -130), 5.2)),
        ("csf", capsule((0, -32, -46), (0, -40, -130), 8.6)),
    ]


def outline() -> list[Shape]:
    """The solids whose blend with the braincase is the outer surface of the head."""
    return [
        ellipsoid((0, 30, -32), (69, 60, 50)),
        ellipsoid((0, 28, -76), (60, 59, 38)),
        pair(ellipsoid((40, -12, -50), (30, 34, 34))),
        ellipsoid((0, 68, -97), (22, 21, 14)),
        pair(ellipsoid((36, 52, -48), (24, 24, 24))),
        ellipsoid((0, 60, -2), (44, 31, 16)),
        ellipsoid((0, 69, -70), (35, 24, 19)),
        ellipsoid((0, 88, -68), (20, 9, 4.5)),
        ellipsoid((0, 87, -77), (18, 9, 4.5)),
        capsule((0, -20, -45), (0, -30, -150), 56, 58),
    ]


def appendages() -> list[Shape]:
    """Nose and ears, joined to the outline with a tighter crease."""
    return [
        capsule((0, 84, -14), (0, 99, -47), 5.5, 9.0),
        pair(ellipsoid((9, 92, -50), (8, 10, 7))),
        pair(capsule((68, -12, -34), (79, -20, -30), 5.0)),
        pair(ellipsoid((79, -22, -26), (3.0, 15, 27))),
    ]


def _hollow_bones(t: Traits) -> list[tuple[Shape, float]]:
    """Bones that hold marrow, each with the thickness of its compact shell in mm."""
    alveolus = pair(wall([(x, y - 1) for x, y in _UPPER_TEETH], 5.0, -70, -58))
    zygoma = pair(
        union(
            ellipsoid((44, 59, -40), (9, 7, 9)),
            capsule((48, 56, -38), (63, 24, -36), 3.4),
            capsule((63, 24, -36), (61, 4, -34), 3.4),
            capsule((48, 60, -34), (49, 62, -8), 4.0),
            blend=4.0,
        )
    )
    sphenoid = union(
        ellipsoid((0, 21, -24), (17, 13, 12)), ellipsoid((0, -4, -38), (11, 9, 14)), blend=8.0
    )
    return [
        (_mandible(t.jaw_drop_mm), 2.4),
        (_ramus(t.jaw_drop_mm), 1.9),
        (alveolus, 2.0),
        (zygoma, 2.0),
        (sphenoid, 2.2),
        *((vertebra, 1.6) for vertebra in _vertebrae()),
    ]


def _thin_bones(t: Traits) -> list[Shape]:
    """Walls of the sinuses and orbits, and the plates and bars between them."""
    eyelids = pair(ellipsoid((36, 92, -22), (22, 22, 20)))
    palate = ellipsoid((0, 55, -60.5), (27, 26, 2.4))
    nasal_bone = capsule((2.5, 86, -10), (3.5, 97, -30), 1.8)
    vomer = wall([(0, 22), (0, 76)], 0.8, -58, -10)
    pterygoid = wall([(13, 30), (15, 20)], 1.4, -66, -30)
    return [
        grown(pair(_maxillary(t)), 1.7),
        grown(pair(_frontal(t)), 2.2),
        grown(pair(_ETHMOID), 1.2),
        difference(grown(pair(_orbit()), 1.8), eyelids),
        difference(palate, ellipsoid((0, 20, -60), (50, 8, 9))),
        pair(nasal_bone),
        vomer,
        pair(pterygoid),
    ]


def _orbit() -> Shape:
    return union(
        ellipsoid((32, 62, -22), (18, 19, 16.5)),
        capsule((27, 48, -21), (12, 20, -19), 12, 3),
        blend=6,
    )


def _maxillary(t: Traits) -> Shape:
    return ellipsoid((28, 52, -48), (11.5 * t.maxillary, 15 * t.maxillary, 12.5 * t.maxillary))


def _frontal(t: Traits) -> Shape:
    return ellipsoid((11, 79.5, 3), (12 * t.frontal, 3.8, 12 * t.frontal))


def _teeth(drop: float) -> list[Structure]:
    upper = pair(wall(_UPPER_TEETH, 3.9, -78, -66))
    lower = pair(wall(_LOWER_TEETH, 3.7, -90 - drop, -79.2 - drop))
    gaps = [pair(capsule((x, y, -100), (x, y, -55), 1.0)) for x, y in _GAPS]
    return [("tooth", difference(upper, *gaps)), ("tooth", difference(lower, *gaps))]


def _mandible(drop: float) -> Shape:
    body = pair(wall(_JAW, 5.6, -104 - drop, -85 - drop))
    chin = ellipsoid((0, 80, -99 - drop), (13, 7, 7))
    return union(body, chin, blend=4.0)


def _ramus(drop: float) -> Shape:
    return pair(
        union(
            capsule((45, 22, -92 - drop), (49, 8, -48), 5.0, 4.2),
            capsule((45, 16, -92 - drop), (49.5, 6, -50), 4.8, 4.2),
            capsule((45, 10, -92 - drop), (50, 0, -50), 4.8, 4.2),
            capsule((50, 3, -48), (51, 4, -41), 3.8, 5.0),
            capsule((48, 14, -56), (49, 24, -44), 4.0, 2.6),
            blend=6.0,
        )
    )


def _vertebrae() -> list[Shape]:
    canal = capsule((0, -32, -46), (0, -40, -130), 8.6)
    levels = []
    for z, width in ((-62.0, 1.15), (-80.0, 1.0), (-98.0, 1.0), (-116.0, 1.0)):
        y = -38 + 0.1 * (z + 98)
        body = ellipsoid((0, y + 18, z), (11, 9, 8.5))
        arch = union(
            pair(capsule((10, y + 12, z), (22 * width, y + 3, z), 5.5, 6.0)),
            pair(capsule((20 * width, y + 3, z), (3, y - 15, z - 3), 5.0, 4.5)),
            capsule((0, y - 13, z - 3), (0, y - 26, z - 8), 4.5, 4.0),
            blend=3.0,
        )
        levels.append(difference(union(body, arch, blend=3.0), canal))
    condyle = pair(ellipsoid((15, -24, -54), (8, 11, 7)))
    dens = capsule((0, -17, -80), (0, -17, -58), 5.5)
    return [*levels, condyle, dens]
