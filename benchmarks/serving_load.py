"""Load on a server, for locust, which benchmarks/serving.py starts: requests at a constant rate, or without a pause."""

import json
import os
from pathlib import Path

from locust import FastHttpUser, constant, constant_throughput, task

LOAD = json.loads(os.environ["RAYSQ_LOAD"])  # bodies (a file), rate (of each user, or 0), path
BODIES = [body.encode() for body in json.loads(Path(LOAD["bodies"]).read_text())]


class Client(FastHttpUser):
    """Client that posts one body after the other."""

    wait_time = constant_throughput(LOAD["rate"]) if LOAD["rate"] else constant(0)
    count = 0

    def on_start(self) -> None:
        Client.count += 1
        self.number = 37 * Client.count

    @task
    def post(self) -> None:
        self.number += 1
        body = BODIES[self.number % len(BODIES)]
        self.client.post(LOAD["path"], data=body, headers={"Content-Type": "application/json"}, name="post")
