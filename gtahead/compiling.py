"""numba's compiler with types: kernels are compiled at their first call and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a loop for one thread; numba itself has no types."""
    return cast("F", numba.njit(cache=True, nogil=True)(function))
