"""What a worker takes of the examples."""

import numpy as np

from raysq.training.replica_batches import ReplicaBatches, ReplicaInfo


class Numbered:
    """Examples whose arrays are made when they are asked for, but for one that all splits share."""

    shared = np.arange(7)
    nbytes = 8000

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return 1000

    def arrays(self) -> dict[str, np.ndarray]:
        return {"own": np.full(1000, self.number), "shared": self.shared}


def test_every_split_has_its_own_arrays_and_those_that_it_shares_once():
    splits = {str(number): Numbered(number) for number in range(40)}
    feeds = ReplicaBatches(splits, ReplicaInfo(1, 0, 1, "CPU:0"), 8, 0, 0).feeds
    # An array that has been copied and forgotten leaves its id to the next one.
    assert [int(feeds[name].placed["own"][-1]) for name in splits] == list(range(40))
    assert len({id(feed.placed["shared"]) for feed in feeds.values()}) == 1
