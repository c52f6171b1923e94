"""A trial fails for its own fault only: what is lost is tried again, and without progress not for ever."""

import itertools
from types import SimpleNamespace

import pytest

from raysq.errors import RaysqError, ResourceError, UsageError
from raysq.training import checkpoint
from raysq.tuning.memory import LOST
from raysq.tuning.progress import ProgressTable
from raysq.tuning.session import Session
from raysq.tuning.trial import TrialResult, TrialSpec

exceptions = pytest.importorskip("ray").exceptions


class Trials:
    """A scheduler of two trials."""

    def __init__(self):
        self.waiting, self.ends = ["trial-01", "trial-02"], {}

    def next_trial(self):
        return TrialSpec(self.waiting.pop(0), {}, {}, 0) if self.waiting else "finished"

    def requeue(self, name):
        self.waiting.insert(0, name)

    def on_epoch_end(self, name, epoch, score, memory):
        pass

    def on_trial_end(self, name, stop_reason, error):
        self.ends[name] = error or stop_reason or "finished"
        return TrialResult("failed" if error else "finished", error)


class Fake(Session):
    """A session whose Ray Tune is a list of functions, one for each time that it is started."""

    def __init__(self, folder, *tunes):
        context = SimpleNamespace(
            population=False, folder=str(folder), stop_file=str(folder / "stop"), workers=1, gpu=0.5
        )
        super().__init__(context, Trials(), ProgressTable("search", 2, 9), concurrent=2)
        self.tunes, self.started = list(tunes), 0

    def _tuner(self, scratch):
        self.started += 1
        tune = self.tunes.pop(0) if len(self.tunes) > 1 else self.tunes[0]
        return SimpleNamespace(fit=lambda: tune(self))


@pytest.fixture(autouse=True)
def room(monkeypatch):
    """How many trials the nodes hold."""
    room = {"trials": 2}

    def room_for(needs):
        assert needs == {"CPU": 1, "GPU": 0.5}
        return room["trials"]

    monkeypatch.setattr("raysq.tuning.session.room_for", room_for)
    return room


@pytest.fixture
def events():
    from raysq.tuning.ray_tune import SessionCallback

    def make(session):
        return SessionCallback(session)

    return make


class tune_trial:
    def __init__(self, name):
        self.name, self.config, self.error_file, self.max_failures = name, {"raysq": [name, 0, {}]}, None, -1

    def __str__(self):
        return self.name


def hand_out(session):
    """All trials that there are."""
    names = []
    while isinstance(trial := session.next_trial(), TrialSpec):
        names.append(trial.name)
    return names


def finish(session):
    while names := hand_out(session):
        for name in names:
            session.on_trial_end(name, None)


def test_ray_tune_that_is_lost_is_started_again_with_the_trials_it_had(tmp_path):
    handed = []

    def dies(session):
        handed.append(hand_out(session))
        raise RuntimeError("Caught unexpected exception") from exceptions.OutOfMemoryError("low on memory")

    session = Fake(tmp_path, dies, dies, finish)
    assert session.run() is None
    assert session.scheduler.ends == dict.fromkeys(("trial-01", "trial-02"), "finished") and session.started == 3
    # Memory ran out: fewer beside each other.
    assert handed == [["trial-01", "trial-02"], ["trial-01"]]


def test_ray_tune_that_is_lost_to_no_end_is_one_error_and_progress_is_none(tmp_path):
    epoch = 0

    def dies(session):
        nonlocal epoch
        epoch += session.started <= 20  # then only what was reached before is told again
        for name in hand_out(session):
            session.on_epoch_end(name, epoch, 1.0)
        raise exceptions.NodeDiedError("gone")

    session = Fake(tmp_path, dies)
    with pytest.raises(RaysqError, match=r"Ray Tune gave up .*; the same command continues"):
        session.run()
    assert session.started == 20 + 5 and not session.scheduler.ends


def test_another_error_of_ray_tune_is_not_tried_again(tmp_path):
    def fails(session):
        raise ValueError("wrong")

    session = Fake(tmp_path, fails)
    with pytest.raises(RaysqError, match=r"Ray Tune gave up \(wrong\)"):
        session.run()
    assert session.started == 1


def test_an_error_of_a_stopping_condition_is_raised_as_it_is(tmp_path):
    def gives_up(session):
        try:
            raise UsageError("--stop val_maee: no run records it")
        except UsageError:
            raise RuntimeError("a traceback in many lines")  # noqa: B904  as Ray Tune does it

    with pytest.raises(UsageError, match="no run records it"):
        Fake(tmp_path, gives_up).run()


def test_a_trial_is_lost_as_often_as_it_gets_further(tmp_path, events, monkeypatch):
    steps = itertools.chain(range(1, 30), itertools.repeat(29))
    monkeypatch.setattr(checkpoint, "reached", lambda directory: next(steps))
    trial = tune_trial("trial-01")
    session = Fake(tmp_path, finish)
    session.next_trial()
    for _ in range(29):
        events(session).on_trial_recover(1, [], trial)
        assert trial.max_failures == -1
    # From here it stands still.
    for _ in range(4):
        events(session).on_trial_recover(1, [], trial)
    assert trial.max_failures == 0, "Ray Tune is to tell of the next loss"
    events(session).on_trial_error(1, [], trial)
    assert session.scheduler.ends == {"trial-01": LOST}


def test_a_trial_that_ray_tune_gives_up_is_handed_out_again(tmp_path, events):
    """As it does with one whose process is lost when it is about to take over from the trial before."""

    def gives_up(session):
        first, second = hand_out(session)
        events(session).on_trial_recover(1, [], tune_trial(second))
        events(session).on_trial_error(1, [], tune_trial(second))
        session.on_trial_end(first, None)
        assert session.next_trial() is not None, "it waits to be handed out"
        events(session).on_trial_error(1, [], tune_trial(second))

    session = Fake(tmp_path, gives_up, finish)
    assert session.run() is None
    assert session.scheduler.ends == dict.fromkeys(("trial-01", "trial-02"), "finished") and session.started == 2


def test_a_trial_that_is_lost_while_the_search_stops_has_not_failed(tmp_path, events):
    def stops(session):
        first, second = hand_out(session)
        events(session).on_trial_error(1, [], tune_trial(first))
        session.stop("out of time")
        events(session).on_trial_error(1, [], tune_trial(second))

    session = Fake(tmp_path, stops)
    assert session.run() == "out of time"
    assert session.scheduler.ends == dict.fromkeys(("trial-01", "trial-02"), "out of time") and session.started == 1


@pytest.mark.parametrize("stops", [False, True])
def test_lost_nodes_are_waited_for_and_not_without_end(tmp_path, monkeypatch, room, stops):
    monkeypatch.setenv("RAYSQ_NODES_TIMEOUT", "60")

    def waits(session):
        names = hand_out(session)
        for trials, second in ((2, 0), (0, 10), (0, 65), (1, 72), (0, 80), (0, 139)):
            room["trials"] = trials
            session._check_nodes(second)
            assert session.stop_reason is None and not session.is_stranded
        if stops:
            session.stop("interrupted")
        session._check_nodes(141)
        assert session.is_stranded
        for name in names:
            session.on_trial_end(name, None)

    session = Fake(tmp_path, waits)
    if stops:
        assert session.run() == "interrupted"
        return
    with pytest.raises(ResourceError, match="none came back in 60 s .*; the same command continues"):
        session.run()
    assert set(session.scheduler.ends.values()) == {"no nodes"}
