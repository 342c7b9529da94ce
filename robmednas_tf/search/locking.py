"""KerasTuner's lock around an oracle's methods, which has to be let go of whatever happens."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import keras_tuner
from keras_tuner.src.engine import oracle as kt_oracle

Method = TypeVar("Method", bound=Callable[..., Any])


def locked(method: Method) -> Method:
    """`keras_tuner.synchronized`, except that a method which raises leaves no lock behind."""

    @keras_tuner.synchronized
    @functools.wraps(method)
    def outcome(*args: Any, **kwargs: Any) -> tuple[Any, BaseException | None]:
        try:
            return method(*args, **kwargs), None
        # An interrupt too: `release` is called after it, and needs the lock.
        except BaseException as error:
            return None, error

    @functools.wraps(method)
    def unlocked(*args: Any, **kwargs: Any) -> Any:
        result, error = outcome(*args, **kwargs)
        if error is not None:
            raise error
        return result

    return cast(Method, unlocked)


def forget(oracle: keras_tuner.Oracle) -> None:
    """Lets go of an oracle that is done with, whose trials KerasTuner's tables of locks keep."""
    for table in (kt_oracle.LOCKS, kt_oracle.THREADS):
        table.pop(oracle, None)
