"""The signs of life of a training."""

from __future__ import annotations

from mindpoint.contracts.hook import POINTS, Hook
from mindpoint.launch.heartbeat import beat


class Heartbeat(Hook):
    """Tells the launcher at every point of the loop what begins there. It acts in all processes, before all other hooks."""

    all_ranks = True


def _beat_at(point: str):
    def act(self: Heartbeat, run: object) -> None:
        following = {"before_step": f"step {run.step + 1}", "before_epoch": f"waiting for the batch of step {run.step + 1}"}
        following["after_step"] = following["before_epoch"]
        beat(following.get(point, f"hooks at {point}"))

    return act


for _point in POINTS:
    setattr(Heartbeat, _point, _beat_at(_point))
