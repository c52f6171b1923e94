"""Extension of Griffe: read docstrings as they are written here, where one example is `Example:`, and parameters that
share a description stand on one line (`data, model, seed: see train`)."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
SHARED = re.compile(r"^( +)(\w+(?:, \w+)+)(: .*(?:\n\1 +.*)*)$", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrite docstrings to the form that Griffe's parser of Google's style knows."""

    def on_object(self, *, obj: griffe.Object, **others: Any) -> None:
        if obj.docstring:
            text = EXAMPLE.sub("Examples:", obj.docstring.value)
            obj.docstring.value = SHARED.sub(
                lambda match: "\n".join(f"{match[1]}{name}{match[3]}" for name in match[2].split(", ")), text
            )
