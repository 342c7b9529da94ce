import numpy as np
import pytest

from robmednas_tf.evaluation.regions import REGIONS

HU = np.array([-1024, -501, -500, -499, 0, 299, 300, 301, 500, 501, 3000])


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("brain", [-500, -499, 0, 299, 300, 301, 500, 501, 3000]),
        ("air", [-1024, -501]),
        ("bone", [501, 3000]),
        ("soft_tissue", [-499, 0, 299]),
    ],
)
def test_region_at_its_limits(name, inside):
    assert HU[REGIONS[name].contains(HU)].tolist() == inside


def test_regions_stand_in_the_tables_order():
    assert list(REGIONS) == ["brain", "air", "bone", "soft_tissue"]


def test_brain_and_air_are_complements():
    hu = np.linspace(-1100, 3100, 4201, dtype=np.float32)
    assert (REGIONS["brain"].contains(hu) ^ REGIONS["air"].contains(hu)).all()
