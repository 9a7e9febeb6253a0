"""Pickles by other people, read without running them: every global that the file names must be on a list."""

import pickle
from collections.abc import Mapping
from typing import Any, BinaryIO

from ffgan_tf.utils.errors import UserError


class AllowListUnpickler(pickle.Unpickler):
    """`pickle.Unpickler` that resolves only the globals in `allowed`, a map `"module.name"` → what stands for it.

    A pickle is a program; its only way to reach code is to name a global. Anything off the list raises a UserError
    that names it, and `path`, before it is looked up. `options` go to `pickle.Unpickler` (`encoding="latin1"`, …).
    """

    def __init__(self, file: BinaryIO, path: str, allowed: Mapping[str, Any], **options):
        super().__init__(file, **options)
        self._path, self._allowed = path, allowed

    def find_class(self, module: str, name: str) -> Any:
        """Returns what stands for the global; UserError where it is not on the list."""
        try:
            return self._allowed[f"{module}.{name}"]
        except KeyError:
            raise UserError(
                f"{self._path}: refused, nothing was run: the file asks for `{module}.{name}`, which data of its kind "
                "does not need. Fix: get the file from its publisher again."
            ) from None
