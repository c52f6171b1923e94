"""Figures that are known of real texts."""

import pytest

import raysq


@pytest.mark.slow
def test_alice_softmax(real):
    """The tutorials' form: window 2, dimension 100, full softmax, all words."""
    data = raysq.prepare("cbow", real("alice/pg11.txt"), quiet=True)
    run = raysq.train("cbow", data=data.directory, model="softmax")
    found = raysq.evaluate(run)
    assert found["softmax"]["val_loss"] < 0.96 * found["baseline"]["val_loss"]
    near = [word for word, _ in raysq.load(run).neighbors("king", top=8, among=300)]
    assert "queen" in near
