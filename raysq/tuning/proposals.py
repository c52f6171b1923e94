"""Settings of the trials to come: from a random search or a searcher, generation by generation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from raysq.training.goal import Goal
from raysq.tuning.experiment import ENDED
from raysq.tuning.generations import generation_seed, narrow
from raysq.tuning.searchers import RaySearcher
from raysq.tuning.space import Space

Records = Mapping[int, dict[str, Any]]


@dataclass
class _Generation:
    """Generation of a search, whose first trial has the number `first` and which has `count` trials at most."""

    number: int
    space: Space
    first: int
    count: int
    points: list[dict[str, Any]] | None
    searcher: RaySearcher | None


class Proposals:
    """Settings of the trials of a search, of which the first has the defaults.

    Args:
        space: search space.
        goal: goal of the search.
        seed: seed of the search.
        searcher: "random", "optuna", or a searcher of Ray Tune.
        trials: number of trials of a generation.
        generations: number of generations.
        records: records of earlier trials by number.
    """

    def __init__(
        self, space: Space, goal: Goal, *, seed: int, searcher: Any, trials: int, generations: int, records: Records
    ):
        self.space, self.goal, self.seed, self.searcher = space, goal, seed, searcher
        self.trials, self.generations = trials, generations
        self.begun: list[_Generation] = []
        self._begin(space, records)
        while len(self.begun) < generations and any(number >= self._end for number in records):
            before = {number: record for number, record in records.items() if number < self._end}
            if not self._begin_next(before):
                break  # in files that were changed

    @property
    def _end(self) -> int:
        """Number of the first trial after the generations that have begun."""
        return self.begun[-1].first + self.begun[-1].count

    @property
    def total(self) -> int:
        """Number of trials, those of generations to come included."""
        return self._end - 1 + self.trials * (self.generations - len(self.begun))

    @property
    def draws_early(self) -> bool:
        """Whether trials may be drawn before the results of earlier ones are known."""
        return bool(self.searcher == "random")

    @property
    def is_forgetful(self) -> bool:
        """Whether the searcher cannot be told of trials that it did not suggest."""
        searcher = self.begun[-1].searcher
        return searcher is not None and searcher.is_forgetful

    def next(self, records: Records) -> tuple[int, dict[str, Any]] | Literal["finished"] | None:
        """Return the number and the settings of the next trial, None if there is none yet, or "finished".

        A generation begins when all trials of those before have ended.
        """
        number = next((number for number in range(1, self._end) if number not in records), None)
        if number is None:
            if len(self.begun) == self.generations:
                return "finished"
            if any(record["state"] not in ENDED for record in records.values()):
                return None
            if not self._begin_next(records):
                return "finished"
            return self.next(records)
        generation = next(each for each in self.begun if each.first <= number < each.first + each.count)
        if generation.points is not None:
            return number, generation.points[number - generation.first]
        if number == 1:
            return number, dict(self.space.defaults)
        assert generation.searcher is not None
        point = generation.searcher.suggest(number)
        return (number, point) if isinstance(point, dict) else "finished" if point else None

    def tell(self, record: Mapping[str, Any]) -> None:
        """Inform the searcher of a trial that has ended."""
        searcher = self.begun[-1].searcher
        if searcher is not None:
            searcher.tell(record)

    def spaces(self) -> list[dict[str, Any]]:
        """Return the domains of each generation that has begun, for JSON."""
        return [
            {"generation": each.number, "first": each.first, "space": dict(each.space.domains)} for each in self.begun
        ]

    def _begin_next(self, records: Records) -> bool:
        """Begin the generation after the present one; return whether there is a best trial and anything new near it."""
        best = next(iter(self.goal.rank(records.values())), None)
        if best is None or best["state"] == "failed" or self.goal.value(best) is None:
            return False
        space = narrow(self.space, best["settings"], len(self.begun) + 1)
        return self._begin(space, records)

    def _begin(self, space: Space, records: Records) -> bool:
        number = len(self.begun) + 1
        first = self._end if self.begun else 1
        count, points, searcher = self.trials, None, None
        if self.searcher == "random":
            seed = generation_seed(self.seed, number)
            if number == 1:
                points = space.points(count, seed)
            else:
                known = {_key(record["settings"]) for record in records.values()}
                drawn = space.points(count + len(known), seed)
                points = [point for point in drawn if _key(point) not in known][:count]
            count = len(points)
        else:
            searcher = RaySearcher(self.searcher, space, self.goal, self.seed, records.values())
        if count:
            self.begun.append(_Generation(number, space, first, count, points, searcher))
        return bool(count)


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
