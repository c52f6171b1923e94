"""The queue of a run: batches, limits, and requests of replicas that were lost."""

import asyncio

import pytest

from raysq.errors import LostError
from raysq.serving.batcher import Batcher
from raysq.serving.messages import Answer, HttpError, Request


def request(number: int, size: int = 1) -> Request:
    return Request("predict", bytes([number]) * size)


def answers(batch) -> list[Answer]:
    return [Answer(200, each.body) for each in batch]


def run(main):
    return asyncio.run(asyncio.wait_for(main(), 20))


def test_what_comes_while_all_are_busy_is_one_batch():
    sizes, gate = [], None

    async def send(batch):
        sizes.append(len(batch))
        await gate.wait()
        return answers(batch)

    async def main():
        nonlocal gate
        gate = asyncio.Event()
        batcher = Batcher(send, replicas=2)
        tasks = [asyncio.create_task(batcher.answer(request(number))) for number in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sizes == [1] * 4  # two ahead of each replica
        gate.set()
        assert [answer.body for answer in await asyncio.gather(*tasks)] == [bytes([number]) for number in range(10)]
        assert sizes == [1] * 4 + [6]

    run(main)


def test_large_requests_are_not_sent_together():
    sizes = []

    async def send(batch):
        sizes.append(sum(len(each.body) for each in batch))
        await asyncio.sleep(0.01)
        return answers(batch)

    async def main():
        batcher = Batcher(send)
        await asyncio.gather(*(batcher.answer(request(number, 3 << 20)) for number in range(6)))
        assert sizes == [3 << 20] * 6

    run(main)


def test_requests_of_lost_replicas_are_sent_again():
    calls = 0

    async def send(batch):
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.001)
        if calls in (1, 3):
            raise LostError("the replica has ended")
        return answers(batch)

    async def main():
        batcher = Batcher(send)
        found = await asyncio.gather(*(batcher.answer(request(number)) for number in range(20)))
        assert [answer.body for answer in found] == [bytes([number]) for number in range(20)]

    run(main)


def test_a_request_that_ends_replicas_takes_no_other_with_it():
    sent = []

    async def send(batch):
        sent.append([each.body[0] for each in batch])
        await asyncio.sleep(0.001)
        if any(each.body == b"\x07" for each in batch):
            raise LostError("the replica has ended")
        return answers(batch)

    async def main():
        batcher = Batcher(send)
        tasks = [batcher.answer(request(number)) for number in range(20)]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(found[7], HttpError) and found[7].status == 500
        assert "4 processes ended while they answered this request" in str(found[7])
        assert all(found[number].body == bytes([number]) for number in range(20) if number != 7)
        assert sum(7 in batch for batch in sent) == 4 and sent.count([7]) == 2

    run(main)


def test_a_fault_that_is_no_loss_is_not_repeated():
    calls = 0

    async def send(batch):
        nonlocal calls
        calls += 1
        raise RuntimeError("a secret")

    async def main():
        with pytest.raises(HttpError, match="the server failed to answer") as failed:
            await Batcher(send).answer(request(1))
        assert failed.value.status == 500 and "secret" not in str(failed.value) and calls == 1

    run(main)


def test_nobody_waits_for_a_request_that_was_given_up():
    sent, gate = [], None

    async def send(batch):
        sent.extend(each.body[0] for each in batch)
        await gate.wait()
        return answers(batch)

    async def main():
        nonlocal gate
        gate = asyncio.Event()
        batcher = Batcher(send, most_waiting=2)
        tasks = [asyncio.create_task(batcher.answer(request(number))) for number in range(4)]
        await asyncio.sleep(0.01)
        with pytest.raises(HttpError, match="2 requests are waiting already"):
            await batcher.answer(request(9))
        tasks[2].cancel()
        await asyncio.sleep(0.01)
        gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sent == [0, 1, 3]

    run(main)
