"""The ONNX file: the same network, for programs without TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest

from robmednas_tf.models.architecture import NAMED, Architecture, Block
from robmednas_tf.models.unet import build_unet
from robmednas_tf.onnx_export import export_onnx, require_onnx

# In HU, at the scale of untrained networks, whose outputs span ten thousand.
TOLERANCE_HU = 0.02


def narrow(name):
    """A named architecture with a quarter of its filters, and squeeze-and-excitation throughout."""
    architecture = NAMED[name]
    halves = [
        tuple(Block(block.pattern, block.filters // 4, 4) for block in half)
        for half in (architecture.encoder, architecture.decoder)
    ]
    return Architecture(*halves)


@pytest.fixture(scope="module")
def onnxruntime():
    pytest.importorskip("tf2onnx", reason="The extra [onnx] is not installed.")
    return pytest.importorskip("onnxruntime", reason="The extra [onnx] is not installed.")


# Grids that 2^depth divides, and that it does not.
@pytest.mark.parametrize(("name", "size"), [("baseline", 32), ("robmednas_t", 41)])
def test_onnx_predicts_what_keras_does(onnxruntime, tmp_path, name, size):
    model = build_unet(narrow(name), (size, size, 1), seed=3)
    export_onnx(model, tmp_path, "z-scored inside the mask")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    (given,), (returned,) = session.get_inputs(), session.get_outputs()
    for value, called in ((given, "mr"), (returned, "synthetic_ct")):
        assert (value.name, value.shape) == (called, ["batch", size, size, 1])
        assert value.type == "tensor(float)"
    for num_slices in (1, 5):
        mr = np.random.default_rng(num_slices).normal(size=(num_slices, size, size, 1))
        mr = mr.astype("float32")
        (ct,) = session.run(None, {"mr": mr})
        expected = np.asarray(model(mr, training=False))
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(2500 * ct, 2500 * expected, atol=TOLERANCE_HU)


def test_the_file_says_what_goes_in_and_comes_out(onnxruntime, tmp_path):
    block = Block("0100", 8)
    model = build_unet(Architecture((block,), (block,)), (16, 16, 1))
    export_onnx(model, tmp_path, "z-scored inside the mask")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    says = session.get_modelmeta().custom_metadata_map
    assert says["mr"].startswith("float32 (batch, 16, 16, 1): axial MR slices")
    assert "z-scored inside the mask" in says["mr"]
    assert "(HU - 1250) / 2500" in says["synthetic_ct"]
    assert "HU = 2500 * synthetic_ct + 1250" in says["synthetic_ct"]
    assert "not a medical device" in says["use"]


@pytest.mark.parametrize("missing", ["onnx", "tf2onnx"])
def test_a_missing_package_is_named(monkeypatch, missing):
    found = {"onnx", "tf2onnx"} - {missing}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in found else None)
    with pytest.raises(ValueError, match=rf"no {missing}\. Install the extra \[onnx\]"):
        require_onnx()


def test_the_check_loads_nothing():
    # At the door, where TensorFlow must not start.
    script = (
        "import sys\n"
        "from robmednas_tf.onnx_export import require_onnx\n"
        "try:\n"
        "    require_onnx()\n"
        "except ValueError:\n"
        "    pass\n"
        "print(sorted({'tensorflow', 'keras', 'onnx', 'tf2onnx'} & set(sys.modules)))\n"
    )
    said = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert said.strip() == "[]"
