import pytest
from mindpoint.errors import ConfigError
from mindpoint.optim.schedules import Constant, Cosine, MultiStep, Polynomial


def test_multi_step_drops_after_the_epoch_is_finished():
    # the official 1x recipe: 140 epochs, a tenth after 90 and after 120
    schedule = MultiStep(epochs=140, steps_per_epoch=10, milestones=[90, 120])
    assert [schedule(step) for step in (0, 899, 900, 1199, 1200, 1399)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_warm_up_is_linear_and_ends_at_the_schedule():
    schedule = Constant(epochs=10, steps_per_epoch=10, warmup_steps=3)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_polynomial_and_cosine_end_where_they_say():
    polynomial = Polynomial(epochs=10, steps_per_epoch=4, power=2, end=0.1)
    assert [polynomial(0), polynomial(20), polynomial(40)] == pytest.approx([1, 0.1 + 0.9 * 0.25, 0.1])
    cosine = Cosine(epochs=10, steps_per_epoch=4, end=0.2)
    assert [cosine(0), cosine(20), cosine(40)] == pytest.approx([1, 0.6, 0.2])


def test_bad_milestones():
    with pytest.raises(ConfigError, match="must be in ascending order"):
        MultiStep(epochs=3, steps_per_epoch=1, milestones=[2, 1])


def test_milestones_and_warm_up_by_epoch_or_step():
    by_epoch = MultiStep(epochs=9, steps_per_epoch=7, milestones=[3, 6], warmup_epochs=2)
    by_step = MultiStep(epochs=9, steps_per_epoch=7, milestones=[21, 42], by="step", warmup_steps=14)
    assert [by_epoch(step) for step in range(63)] == [by_step(step) for step in range(63)]
    assert [by_step(step) for step in (0, 13, 14, 20, 21, 41, 42)] == pytest.approx([1 / 15, 14 / 15, 1, 1, 0.1, 0.1, 0.01])
    with pytest.raises(ConfigError, match="are both set"):
        Cosine(epochs=3, steps_per_epoch=1, warmup_steps=1, warmup_epochs=1)


def test_a_warm_up_that_never_ends_is_told(caplog):
    Constant(epochs=2, steps_per_epoch=5, warmup_steps=10)
    assert not caplog.records
    Constant(epochs=2, steps_per_epoch=5, warmup_steps=11)
    assert caplog.messages == ["schedule: the warm-up of 11 steps is longer than the training of 10"]
