"""A Griffe extension: docstrings as Markdown."""

from __future__ import annotations

import griffe
import reference


class Plain(griffe.Extension):
    """Converts docstrings to Markdown."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = reference.plain(obj.docstring.value)
