"""Tell whether this process runs the cells of a notebook."""

import sys


def in_notebook() -> bool:
    """Return whether this process runs the cells of a notebook, such as Jupyter's, VS Code's or Colab's."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and getattr(get_shell(), "kernel", None) is not None


def hides_progress(quiet: bool | None) -> bool:
    """Return whether a function of Python hides its progress: as the caller says, or else outside of notebooks."""
    return not in_notebook() if quiet is None else quiet
