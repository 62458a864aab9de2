"""Native code: numba's compiler with types, and how many threads native libraries may start."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a loop for one thread; kernels are compiled at their first call and kept on disk."""
    import numba  # slow to import; it has no types

    return cast("F", numba.njit(cache=True, nogil=True)(function))


def compiled_for_drawing(function: F) -> F:
    """Compile as `compiled` does; dividing by zero gives infinity, as in NumPy, and no branch."""
    import numba  # slow to import; it has no types

    return cast("F", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def single_threaded() -> None:
    """Keep native libraries from starting threads in a worker: the pool is the parallelism."""
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    import cv2

    cv2.setNumThreads(1)
