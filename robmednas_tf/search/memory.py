"""How TensorFlow says that memory has run out, where it lives to say so."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from robmednas_tf.search.failures import InfeasibleTrialError

# oneDNN's status 1, in an `AbortedError`, is its own "out of memory"; CUDA's libraries have each
# a name for it, in an `InternalError` or another.
_OUT_OF_MEMORY = re.compile(
    r"exception:\s*Status: 1,|out[ _]of[ _]memory|ALLOC_FAILED|failed to allocate", re.IGNORECASE
)
# What an error says besides: the graph's node, and where in which file that was made.
_TELLING = re.compile(r"OOM when .*?(?= on /job:|$)|message: .*|.*allocate.*", re.MULTILINE)


@contextlib.contextmanager
def memory_may_run_out(work: str) -> Iterator[None]:
    """Turns every error that means that memory has run out into the candidate's own fault.

    Args:
        work: What is being done, such as `"training"`.

    Raises:
        InfeasibleTrialError: If the block raises such an error; any other one is left as it is.
    """
    try:
        yield
    except (tf.errors.OpError, MemoryError) as error:
        if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)) or (
            _OUT_OF_MEMORY.search(str(error))
        ):
            raise InfeasibleTrialError(
                f"Memory ran out while {work}: {_telling_line(str(error))}"
            ) from error
        raise


def _telling_line(text: str) -> str:
    found = _TELLING.search(text)
    return found[0].strip() if found else next(iter(text.splitlines()), "no more is known")
