"""The faults of nodes: lost and coming back, lost for good, and taken away with a notice."""

from faults.nodes import NodesTrial

DEADLINE_SECONDS = 90.0  # of a notice


def returns(trial: NodesTrial) -> bool:
    """Lose a node, and let another come after a while. The same number of workers goes on."""
    if not (trial.training() and trial.lose_node()):
        return False
    trial.sleep(trial.random.uniform(0, 30))
    trial.add_node()
    return True


def stays_away(trial: NodesTrial) -> bool:
    """Lose a node for good. The command ends with a line; called again once there is a node, it continues."""
    if not (trial.training() and trial.lose_node()):
        return False
    trial.finish()
    assert trial.process is not None
    last = trial.lines[-1][1] if trial.lines else ""
    if trial.process.returncode != 1 or not last.endswith("; the same command continues from the last checkpoint"):
        trial.problems.append(f"ended with {trial.process.returncode}: {last}")
    trial.add_node()
    trial.start()
    return True


def returns_to_fewer(trial: NodesTrial) -> bool:
    """Lose a node, and let another come once fewer workers have gone on."""
    if not (trial.training(share=0.2) and trial.lose_node()):
        return False
    if not trial.wait_until(lambda: trial.sizes()[-1:] == [1]):
        return False
    trial.add_node()
    return True


def stays_away_from_fewer(trial: NodesTrial) -> bool:
    """Lose a node for good. Fewer workers go on to the end."""
    return trial.training(share=0.8) and trial.lose_node()


def drained(trial: NodesTrial) -> bool:
    """Give notice of a node, and take it away at its deadline or once the workers have left."""
    if not trial.training(share=0.5):
        return False
    node = trial.drain_node(DEADLINE_SECONDS)
    if node is None:
        return False
    before = len(trial.attempts())
    deadline = trial.clock() + DEADLINE_SECONDS
    trial.wait_until(lambda: len(trial.attempts()) > before or trial.clock() > deadline)
    trial.cluster.remove_node(node, allow_graceful=False)
    return True
