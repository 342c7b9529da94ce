"""What differs between a run's settings on disk and those of now, for an error that names it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_ABSENT = object()


def differences(
    saved: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    """Yields, for each setting that differs, its name and both values.

    Args:
        saved: Settings in the folder, as they read from JSON; may hold further mappings.
        now: Settings given now, in the same form.
        prefix: Of the names.
    """
    for key in sorted({*saved, *now}):
        before, after = saved.get(key, _ABSENT), now.get(key, _ABSENT)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}: {shown(before)} in the folder, {shown(after)} now"


def shown(value: Any) -> str:
    """Returns a setting's value as an error shows it."""
    return "nothing" if value is _ABSENT else json.dumps(value)
