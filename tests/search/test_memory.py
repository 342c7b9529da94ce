"""Memory that runs out: how TensorFlow says so, and a search in which it really does."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from robmednas_tf.search.failures import InfeasibleTrialError
from robmednas_tf.search.memory import memory_may_run_out

# As raised under a memory limit, on a CPU and (the last three) on GPUs.
SAID = [
    (
        tf.errors.ResourceExhaustedError,
        "Graph execution error:\n\nDetected at node unet/concat defined at (most recent call last):"
        "\n<stack traces unavailable>\nOOM when allocating tensor with shape[6,512,128,128] and "
        "type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu\n\t [[{{node",
        "OOM when allocating tensor with shape[6,512,128,128] and type float",
    ),
    (
        tf.errors.AbortedError,
        "Graph execution error:\n\nOperation received an exception:Status: 1, message: could not "
        "create a primitive, in file tensorflow/core/kernels/mkl/mkl_conv_ops.cc:1112\n\t [[{{",
        "could not create a primitive",
    ),
    (MemoryError, "std::bad_alloc", "std::bad_alloc"),
    (tf.errors.InternalError, "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED"),
    (tf.errors.InternalError, "CUDA_ERROR_OUT_OF_MEMORY", "CUDA_ERROR_OUT_OF_MEMORY"),
    (tf.errors.InternalError, "x\nFailed to allocate 9 bytes\ny", "Failed to allocate 9 bytes"),
]


def raised(kind, text):
    return kind(None, None, text) if issubclass(kind, tf.errors.OpError) else kind(text)


@pytest.mark.parametrize(("kind", "text", "told"), SAID)
def test_every_word_for_it_makes_the_candidate_infeasible(kind, text, told):
    with pytest.raises(InfeasibleTrialError) as error, memory_may_run_out("scoring"):
        raise raised(kind, text)
    assert str(error.value).startswith("Memory ran out while scoring: ")
    assert told in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (tf.errors.AbortedError, "Operation received an exception:Status: 3, message: no such"),
        (tf.errors.InvalidArgumentError, "Incompatible shapes: [6,8] vs. [6,9]"),
        (OSError, "No space left on device"),
        (ValueError, "out of range"),
    ],
)
def test_other_errors_stay_what_they_are(kind, text):
    with pytest.raises(kind), memory_may_run_out("scoring"):
        raise raised(kind, text)


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems do not limit memory.")
def test_a_candidate_too_large_for_the_memory_there_is_fails_alone(tmp_path):
    script = Path(__file__).with_name("search_within_memory.py")
    deaths = []
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path)],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        if not done.returncode:
            break
        deaths.append(done.returncode)
    assert done.returncode == 0, done.stderr
    *failed, last = json.loads(done.stdout)
    assert last == ["COMPLETED", None]
    assert failed and {status for status, _ in failed} == {"FAILED"}
    # The libraries below TensorFlow end the process where a small allocation fails, be it the next
    # candidate's.
    assert set(deaths) <= {-signal.SIGSEGV, -signal.SIGABRT}
    died = "the process ended once during this trial;"
    ran_out = "InfeasibleTrialError: Memory ran out while training:"
    assert all(reason.startswith((died, ran_out)) for _, reason in failed)
    assert sum(reason.startswith(died) for _, reason in failed) == len(deaths)
