"""Generate text with a finished run."""

from pathlib import Path
from typing import Any

from raysq.inference.commands import require
from raysq.training.run import Run


def generate(
    run: Run | str | Path, prompt: str = "", *, epoch: int | None = None, trust: bool = False, **chosen: Any
) -> dict[str, Any]:
    """Continue a text.

    Args:
        run: a finished run of a language model, its directory or its id.
        prompt: beginning of the text.
        epoch, trust: as for `raysq.load`.
        chosen: options of the problem's generator: `words`, `temperature`, `top_k`, `top_p`, `seed`, `samples` and
            `stop`.

    Returns:
        The result of the problem's generator; for a language model `prompt`, `samples`, `unknown`, `seconds` and
        `words_per_second`.

    Raises:
        DataError: if there is no such run, or it has not finished.
        UsageError: if the run's problem does not generate text, or a value is out of range.

    Example:
        >>> raysq.generate("alice-lstm", "the queen", words=20, temperature=0.7)["samples"]
    """
    from raysq.inference.predictor import load

    run = Run.of(run, trust=trust).at(epoch)
    require(run, "generate")
    return load(run).generate(prompt, **chosen)
