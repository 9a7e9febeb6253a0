"""Python's garbage collector, where it only costs time."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """No search for garbage inside: for code that makes very many objects which stay, as importing TensorFlow, building
    networks and tracing them do. A tenth of a start."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
