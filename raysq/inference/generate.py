"""Text that goes on from a beginning, by a finished run."""

from pathlib import Path
from typing import Any

from raysq.inference.abilities import check
from raysq.training.run import Run


def generate(run: Run | str | Path, prompt: str = "", *, trust: bool = False, **chosen: Any) -> dict[str, Any]:
    """Goes on with a text.

    Args:
        run: a finished run of a language model, its directory or its id.
        prompt: the beginning.
        trust: as for `raysq.load`.
        chosen: how long, how many, and how: as the problem's generator takes it (`words`, `temperature`, `top_k`,
            `top_p`, `seed`, `samples`, `stop`).

    Returns:
        As the problem's generator says: for a language model `prompt`, `samples`, `unknown`, `seconds` and
        `words_per_second`.

    Raises:
        DataError: no such run, or one that has not finished.
        UsageError: a run of another problem, or a value out of its range.

    Example:
        >>> raysq.generate("alice-lstm", "the queen", words=20, temperature=0.7)["samples"]
    """
    from raysq.inference.predictor import load

    run = Run.of(run, trust=trust)
    check(run, "generate")
    return load(run).generate(prompt, **chosen)
