"""Tell whether this process runs the cells of a notebook."""

import logging
import sys
import warnings


def in_notebook() -> bool:
    """Return whether this process runs the cells of a notebook, such as Jupyter's, VS Code's or Colab's."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and getattr(get_shell(), "kernel", None) is not None


def hides_progress(quiet: bool | None) -> bool:
    """Return whether a function of Python hides its progress: as the caller says, or else outside of notebooks."""
    return not in_notebook() if quiet is None else quiet


def do_without_widgets() -> None:
    """Let Ray and tqdm not ask for `ipywidgets`, which they look for when they are imported in a notebook."""
    if in_notebook():
        warnings.filterwarnings("ignore", "IProgress not found")
        logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
