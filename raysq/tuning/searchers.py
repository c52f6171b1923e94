"""Searchers: Ray Tune's, by name or as objects, beside raysq's random search."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from raysq.config import nearest_name
from raysq.errors import UsageError
from raysq.training import domains as of
from raysq.training.goal import Goal
from raysq.tuning.describe import describe_object
from raysq.tuning.experiment import ENDED
from raysq.tuning.space import Space

SEARCHERS = ("random", "optuna")


def check_searcher(searcher: Any) -> None:
    """Check a searcher before a search begins.

    Args:
        searcher: name, or an object of Ray Tune.

    Raises:
        UsageError: the name is unknown, Optuna is not installed, or the object cannot be used.
    """
    if isinstance(searcher, str):
        if searcher not in SEARCHERS:
            raise UsageError(f"unknown --searcher {searcher!r}: {nearest_name(searcher, SEARCHERS)}")
        if searcher == "optuna":
            require_optuna()
        return
    from ray.tune.search import Repeater, SearchAlgorithm, Searcher

    name = type(searcher).__name__
    if isinstance(searcher, SearchAlgorithm):
        raise UsageError(
            f"searcher {name} draws from a space of its own: give searcher='random' and the space as search="
        )
    if not isinstance(searcher, Searcher):
        raise UsageError(
            f"searcher must be one of {', '.join(SEARCHERS)} or a ray.tune.search.Searcher, received {name}"
        )
    if isinstance(searcher, Repeater):
        raise UsageError("searcher Repeater trains the same settings again: give its searcher, and refit=SEEDS")


def describe_searcher(searcher: Any) -> str:
    """Return a searcher as text: its name, or its class and settings."""
    return searcher if isinstance(searcher, str) else describe_object(searcher)


def require_optuna() -> None:
    """Check that Optuna is installed, and silence its log.

    Raises:
        UsageError: Optuna is not installed.
    """
    try:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
    except ImportError:
        raise UsageError("--searcher optuna needs Optuna: pip install 'raysq[optuna]'") from None


class RaySearcher:
    """Suggestions of a searcher of Ray Tune for one space.

    Args:
        searcher: "optuna", or an object without a space, which is copied.
        space: search space.
        goal: goal of the search.
        seed: seed of the search.
        records: records of earlier trials.
    """

    def __init__(self, searcher: Any, space: Space, goal: Goal, seed: int, records: Iterable[Mapping[str, Any]]):
        self.space, self.goal, self.seed = space, goal, seed
        if any(of.is_grid(domain) for domain in space.domains.values()):
            raise UsageError("grid_search needs searcher random, which trains each combination")
        if not space.plain:
            raise UsageError("the space has functions only, which leaves nothing to suggest: give searcher random")
        self._search = self._optuna() if isinstance(searcher, str) else self._copy(searcher)
        self._drawn: set[int] = set()
        self.is_forgetful = False  # cannot be told of trials that it did not suggest
        for record in records:
            if record["state"] in ENDED:
                self.tell(record)

    def _optuna(self) -> Any:
        require_optuna()
        from ray.tune.search.optuna import OptunaSearch

        distributions = OptunaSearch.convert_search_space(self.space.for_ray())
        return OptunaSearch(space=distributions, metric="score", mode="min", seed=self.seed)

    def _copy(self, searcher: Any) -> Any:
        search, name = copy.deepcopy(searcher), type(searcher).__name__
        try:
            accepted = search.set_search_properties("score", "min", self.space.for_ray())
        except Exception as error:
            raise UsageError(f"searcher {name} does not take this space: {error}") from error
        if not accepted:
            raise UsageError(
                f"searcher {name} has a space, metric or mode of its own: leave them out of it, and give them as "
                "search=, metric= and mode="
            )
        return search

    def suggest(self, number: int) -> dict[str, Any] | str | None:
        """Return the settings of a trial, None if there are none yet, or "finished"."""
        point = self._search.suggest(str(number))
        if point is None or point == "FINISHED":
            return None if point is None else "finished"
        if set(point) != set(self.space.plain):
            raise UsageError(f"the searcher suggests {sorted(point)}, and the space has {sorted(self.space.plain)}")
        self._drawn.add(number)
        values = {key: of.rounded(domain, _plain(point[key])) for key, domain in self.space.plain.items()}
        return self.space.complete(values, self.seed, number)

    def tell(self, record: Mapping[str, Any]) -> None:
        """Inform the searcher of a trial that has ended."""
        number, score = record["number"], self.goal.score(self.goal.value(record))
        failed = record["state"] == "failed" or score == float("inf")
        if number in self._drawn:
            self._drawn.discard(number)
            self._search.on_trial_complete(str(number), None if failed else {"score": score}, error=failed)
        elif self.space.contains(record["settings"]):
            # The defaults, and trials of earlier sessions.
            point = {key: record["settings"][key] for key in self.space.plain}
            try:
                self._search.add_evaluated_point(point, None if failed else score, error=failed)
            except (NotImplementedError, AttributeError):
                self.is_forgetful = True


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as a number of Python."""
    return value.item() if hasattr(value, "item") else value
