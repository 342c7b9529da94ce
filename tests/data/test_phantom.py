"""The head phantom: one head for a (seed, subject), the right anatomy, and the right difficulty."""

import numpy as np
import pytest

from robmednas_tf.data import phantom
from robmednas_tf.data.phantom import TISSUES, make_head
from robmednas_tf.data.phantom_canvas import Canvas
from robmednas_tf.data.phantom_contrast import INDEX, spoiled_gradient_echo
from robmednas_tf.data.phantom_shapes import (
    capsule,
    difference,
    ellipsoid,
    grown,
    pair,
    union,
    wall,
)

VOLUMES = ("mr", "ct", "mask", "labels")
MEANS = (125.3435, -702.038, 0.2468, 1.1366)


@pytest.fixture(scope="module")
def head():
    return make_head((64, 64, 24), seed=0, subject=0)


def test_same_seed_and_subject_give_the_same_head(head):
    again = make_head((64, 64, 24), seed=0, subject=0)
    for name in VOLUMES:
        np.testing.assert_array_equal(getattr(again, name), getattr(head, name))


@pytest.mark.parametrize("other", [{"seed": 1}, {"subject": 1}])
def test_another_seed_or_subject_gives_another_head(other):
    first, second = make_head((24, 24, 12)), make_head((24, 24, 12), **other)
    for name in VOLUMES:
        assert (getattr(first, name) != getattr(second, name)).any()


def test_seed_and_subject_are_not_interchangeable():
    first, second = make_head((16, 16, 8), subject=1), make_head((16, 16, 8), seed=1)
    assert (first.mr != second.mr).any()


def test_head_is_the_same_on_every_machine(head):
    means = [float(getattr(head, name).mean()) for name in VOLUMES]
    np.testing.assert_allclose(means, MEANS, atol=1e-2)


def test_blocks_of_planes_leave_no_trace(monkeypatch):
    whole = make_head((24, 20, 12), subject=2)
    monkeypatch.setattr(phantom, "_BLOCK_VOXELS", 5 * 20 * 12)
    parts = make_head((24, 20, 12), subject=2)
    for name in VOLUMES:
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize("shape", [(32, 32, 16), (24, 40, 8)])
def test_shapes_types_and_ranges(shape):
    result = make_head(shape)
    assert [getattr(result, name).dtype for name in VOLUMES] == ["i2", "i2", "u1", "u1"]
    assert all(getattr(result, name).shape == shape for name in VOLUMES)
    assert result.mr.min() >= 0
    assert result.ct.min() >= -1024
    assert result.ct.max() <= 3071
    assert set(np.unique(result.mask)) == {0, 1}
    assert result.labels.max() < len(TISSUES)


def test_affine_is_centred_in_mm(head):
    assert head.affine.dtype == np.float64
    np.testing.assert_allclose(np.diag(head.affine), [4.0, 4.0, 218 / 24, 1.0])
    np.testing.assert_allclose(head.affine @ [31.5, 31.5, 11.5, 1.0], [0, 0, 0, 1], atol=1e-12)


def test_axes_point_right_front_and_up(head):
    def centre(tissue, side=0):
        voxels = np.argwhere(head.labels == INDEX[tissue])
        points = voxels @ head.affine[:3, :3].T + head.affine[:3, 3]
        return points[points[:, 0] * side >= 0].mean(axis=0)

    for side in (-1, 1):
        assert abs(centre("vitreous", side)[0] - 32 * side) < 8
    assert centre("vitreous")[1] > 40
    assert centre("tooth")[2] < centre("vitreous")[2] - 30 < centre("grey matter")[2] - 30


def test_background_is_air_without_signal(head):
    outside = head.mask == 0
    inside = ~outside
    assert np.median(head.ct[outside]) == pytest.approx(-1000, abs=2)
    assert np.median(head.mr[outside]) < 0.1 * np.median(head.mr[inside])


def test_air_bone_and_soft_tissue_are_all_there(head):
    inside = head.mask == 1
    assert ((head.ct < -500) & inside).sum() > 200
    assert (head.ct > 500).sum() > 3000
    assert ((head.ct > -500) & (head.ct < 300) & inside).sum() > 10000


def test_every_tissue_fills_some_voxel():
    labels = make_head((96, 96, 48)).labels
    counts = dict(zip(INDEX, np.bincount(labels.ravel(), minlength=len(TISSUES)), strict=True))
    assert all(counts.values()), counts


def test_ct_follows_the_tissue_table(head):
    for name in ("fat", "grey matter", "muscle"):
        pure = np.median(head.ct[head.labels == INDEX[name]])
        assert pure == pytest.approx(TISSUES[INDEX[name]].hu, abs=45)
    assert np.median(head.ct[head.labels == INDEX["cortical bone"]]) > 800


def test_other_grid_samples_the_same_head():
    coarse, fine = make_head((32, 32, 12)), make_head((96, 96, 36))
    thirds = (slice(1, None, 3),) * 3
    assert (coarse.mask == fine.mask[thirds]).mean() > 0.9999
    inside = coarse.mask == 1
    blocks = np.moveaxis(fine.labels.reshape(32, 3, 32, 3, 12, 3), (1, 3, 5), (3, 4, 5))
    pure = (blocks == blocks[..., :1, :1, :1]).all(axis=(3, 4, 5)) & inside
    assert pure.sum() > 100
    assert (coarse.labels == fine.labels[thirds])[pure].mean() > 0.95
    assert np.corrcoef(coarse.ct[inside], fine.ct[thirds][inside])[0, 1] > 0.85


@pytest.mark.parametrize("subject", range(4))
def test_intensity_alone_cannot_find_bone(subject):
    result = make_head((64, 64, 24), subject=subject)
    assert 0.2 < _best_look_up_dice(result.mr, result.ct > 500) < 0.6


def _best_look_up_dice(mr, bone):
    """Bone Dice of the best set of MR bins, chosen on the subject itself."""
    edges = np.unique(np.quantile(mr, np.linspace(0, 1, 257)[1:-1]))
    bins = np.searchsorted(edges, mr.ravel())
    size = np.bincount(bins).astype(float)
    hits = np.bincount(bins, bone.ravel())
    order = np.argsort(-hits / np.maximum(size, 1))
    return (2 * hits[order].cumsum() / (size[order].cumsum() + bone.sum())).max()


def test_air_and_compact_bone_share_their_mr_intensities():
    result = make_head((96, 96, 48))
    bone = result.mr[(result.labels == INDEX["cortical bone"]) & (result.ct > 1250)]
    air = result.mr[result.labels == INDEX["air"]]
    low, high = np.percentile(air, [1, 99])
    assert ((bone >= low) & (bone <= high)).mean() > 0.6  # The rest is partial volume.


def test_noise_in_air_is_rayleigh(head):
    air = head.mr[:, :, -1].astype(float)
    assert (head.mask[:, :, -1] == 0).all()
    assert air.mean() / np.sqrt((air**2).mean()) == pytest.approx(np.sqrt(np.pi) / 2, abs=0.01)


def test_spoiled_gradient_echo_by_hand():
    # E1 = 1/2 and exp(-TE / T2*) = 1/2 at these times; sin 25 deg = 0.422618, cos = 0.906308.
    by_hand = 0.8 * 0.422618 * 0.5 / (1 - 0.906308 * 0.5) * 0.5
    signal = spoiled_gradient_echo(0.8, 20.0 / np.log(2), 4.6 / np.log(2))
    assert signal == pytest.approx(by_hand, rel=1e-5)
    assert by_hand == pytest.approx(0.154568, rel=1e-4)


@pytest.mark.parametrize(
    "brighter, darker",
    [
        ("fat", "white matter"),
        ("white matter", "grey matter"),
        ("grey matter", "csf"),
        ("csf", "cortical bone"),
        ("cortical bone", "air"),
    ],
)
def test_t1_weighting_orders_the_tissues(brighter, darker):
    first, second = (
        spoiled_gradient_echo(t.proton_density, t.t1_ms, t.t2_star_ms)
        for t in (TISSUES[INDEX[brighter]], TISSUES[INDEX[darker]])
    )
    assert first > second


@pytest.mark.parametrize(
    "shape", [(64, 64), (64, 64, 24, 1), (7, 64, 24), (64, 64, 0), (64, 64, 24.5)]
)
def test_shape_must_be_three_axes_of_eight_or_more(shape):
    with pytest.raises(ValueError, match="three whole numbers of 8 or more") as error:
        make_head(shape)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"subject": -3}])
def test_seeds_must_not_be_negative(wrong):
    with pytest.raises(ValueError, match="must be 0 or more") as error:
        make_head((16, 16, 8), **wrong)
    assert next(iter(wrong)) in str(error.value)


def _line_canvas(voxel_mm=4.0):
    x = np.arange(-20.0, 20.1, voxel_mm)[:, None, None]
    return Canvas(np.stack([x, 0 * x, 0 * x]), voxel_mm)


@pytest.mark.parametrize("start", [-3.0, -1.0, 0.0, 0.7])
def test_thin_layers_keep_their_volume(start):
    canvas = _line_canvas()
    outer, inner = np.abs(canvas.x - start) - 6.0, np.abs(canvas.x - start) - 4.5
    canvas.lay("diploe", inner)
    canvas.lay("cortical bone", outer)
    volumes = canvas.fractions.sum(axis=(1, 2, 3)) * canvas.voxel_mm
    assert volumes[INDEX["diploe"]] == pytest.approx(9.0)
    assert volumes[INDEX["cortical bone"]] == pytest.approx(3.0)


def test_layers_laid_apart_stand_side_by_side():
    canvas = _line_canvas()
    canvas.lay("csf", canvas.x + 1.0)
    canvas.fill("diploe", canvas.share(canvas.x - 1.0) - canvas.share(canvas.x + 1.0), apart=True)
    canvas.lay("cortical bone", canvas.x - 2.0)
    middle = canvas.fractions[:, 5, 0, 0]
    assert [middle[INDEX[name]] for name in ("csf", "diploe", "cortical bone")] == [0.25, 0.5, 0.25]


@pytest.mark.parametrize(
    "shape, point, expected",
    [
        (ellipsoid((1, 2, 3), (5, 5, 5)), (1, 2, 10), 2.0),
        (ellipsoid((0, 0, 0), (2, 9, 9)), (2, 0, 0), 0.0),
        (capsule((0, 0, 0), (10, 0, 0), 2), (5, 5, 0), 3.0),
        (capsule((0, 0, 0), (10, 0, 0), 2, 4), (14, 0, 0), 0.0),
        (wall([(0, 0), (10, 0)], 1.0, -4, 4), (5, 3, 0), 2.0),
        (wall([(0, 0), (10, 0)], 1.0, -4, 4), (5, 0, 6), 2.0),
        (pair(ellipsoid((8, 0, 0), (2, 2, 2))), (-8, 0, 5), 3.0),
        (grown(ellipsoid((0, 0, 0), (3, 3, 3)), 1.5), (0, 0, 5), 0.5),
        (union(ellipsoid((0, 0, 0), (1, 1, 1)), ellipsoid((9, 0, 0), (1, 1, 1))), (7, 0, 0), 1.0),
        (
            difference(ellipsoid((0, 0, 0), (9, 9, 9)), ellipsoid((0, 0, 0), (4, 4, 4))),
            (1, 0, 0),
            3.0,
        ),
    ],
)
def test_distances_by_hand(shape, point, expected):
    x, y, z = (np.full((1, 1, 1), float(p)) for p in point)
    assert shape.distance(x, y, z).item() == pytest.approx(expected, abs=1e-6)
