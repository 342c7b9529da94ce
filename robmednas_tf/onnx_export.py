"""A trained network as an ONNX file, for programs without TensorFlow.

Nothing is imported before it is used: the packages are an extra, and flags are checked before
TensorFlow starts.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robmednas_tf.data.intensities import CT_MEAN_HU, CT_SCALE_HU
from robmednas_tf.files import replaced_atomically
from robmednas_tf.version import __version__

if TYPE_CHECKING:
    import keras

ONNX_FILE = "model.onnx"
_INPUT, _OUTPUT = "mr", "synthetic_ct"
_PACKAGES = ("onnx", "tf2onnx")


def require_onnx() -> None:
    """Refuses an export to ONNX where a package for it is missing.

    Raises:
        ValueError: If one is.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"An export to ONNX (--onnx) needs the packages {' and '.join(_PACKAGES)}. "
            f"Received: no {' and no '.join(missing)}. Install the extra [onnx], "
            "pip install -e '.[onnx]', or leave --onnx out."
        )


def export_onnx(
    model: keras.Model, folder: Path, mr_in_words: str = "z-scored over the whole volume"
) -> None:
    """Writes `model.onnx` into `folder`, atomically.

    Args:
        model: From z-scored MR slices `(batch, height, width, 1)` to normalised CT slices.
        folder: Made where it does not exist.
        mr_in_words: How an MR becomes what the network was trained on, for the metadata.

    The graph is `model`: input `mr`, output `synthetic_ct`, both float32
    `(batch, height, width, 1)` with any number of slices. Its metadata say what goes in and comes
    out.

    Raises:
        ValueError: If a package for it is missing.
    """
    require_onnx()
    import keras
    import tensorflow as tf
    import tf2onnx

    bare = keras.Model(model.input, model.output, name=model.name)
    signature = [tf.TensorSpec(bare.input_shape, tf.float32, name=_INPUT)]
    predict = tf.function(lambda mr: {_OUTPUT: bare(mr, training=False)}, signature)
    graph, _ = tf2onnx.convert.from_function(predict, signature)
    _describe(graph, metadata_of(bare.input_shape[1:], mr_in_words))
    with replaced_atomically(folder / ONNX_FILE) as temporary:
        temporary.write_bytes(graph.SerializeToString())


def metadata_of(shape: tuple[int, int, int], mr_in_words: str) -> dict[str, str]:
    """Returns what the file says of itself.

    Args:
        shape: Height, width and channels of a slice.
        mr_in_words: As `export_onnx`'s.
    """
    slices = f"float32 (batch, {', '.join(map(str, shape))})"
    return {
        "producer": f"robmednas_tf {__version__}",
        _INPUT: (
            f"{slices}: axial MR slices, rows towards posterior, columns towards left; "
            f"{mr_in_words}; then padded or cropped about the centre"
        ),
        _OUTPUT: (
            f"{slices}: CT slices as (HU - {CT_MEAN_HU:g}) / {CT_SCALE_HU:g}; "
            f"HU = {CT_SCALE_HU:g} * {_OUTPUT} + {CT_MEAN_HU:g}"
        ),
        "use": "research; not a medical device",
    }


def _describe(graph: Any, metadata: dict[str, str]) -> None:
    import onnx

    onnx.helper.set_model_props(graph, metadata)
    # The converter numbers the open axis and the graph anew in each process.
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    graph.graph.name = _OUTPUT
    graph.graph.doc_string = "MR to synthetic CT, slice by slice"
