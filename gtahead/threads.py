"""Threads of native libraries in processes that are many already."""

from __future__ import annotations

import os


def single_threaded() -> None:
    """Keep native libraries from starting threads in a worker: the pool is the parallelism."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    import cv2

    cv2.setNumThreads(1)
