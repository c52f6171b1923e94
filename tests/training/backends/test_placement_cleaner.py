"""The placement group of a killed actor is removed, on a cluster without a dashboard too."""

import os
import time

import ray
from ray.util import placement_group_table
from ray.util.placement_group import placement_group

from raysq.training.backends.placement_cleaner import is_alive, start_cleaner


@ray.remote(num_cpus=0)
class Owner:
    def create(self):
        self.group = placement_group([{"CPU": 1}])
        ray.get(self.group.ready())
        return self.group

    def die(self):
        os.kill(os.getpid(), 9)


def test_the_group_of_a_killed_actor_is_removed_and_the_cleaner_ends(cluster):
    owner = Owner.remote()
    group = ray.get(owner.create.remote())
    cleaner = start_cleaner(owner._actor_id.hex())
    ray.get(cleaner.register_placement_group.remote(group))
    time.sleep(1.5)
    assert placement_group_table(group)["state"] == "CREATED" and is_alive(owner._actor_id.hex())
    owner.die.remote()
    until(lambda: placement_group_table(group)["state"] == "REMOVED")
    assert not is_alive(owner._actor_id.hex())
    until(lambda: not is_alive(cleaner._actor_id.hex()))


def test_a_cleaner_that_is_stopped_leaves_the_group(cluster):
    owner = Owner.remote()
    group = ray.get(owner.create.remote())
    cleaner = start_cleaner(owner._actor_id.hex())
    ray.get(cleaner.register_placement_group.remote(group))
    cleaner.stop.remote()
    until(lambda: not is_alive(cleaner._actor_id.hex()))
    assert placement_group_table(group)["state"] == "CREATED"
    ray.util.remove_placement_group(group)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
