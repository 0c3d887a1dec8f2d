"""A hook that watches the loss."""

from typing import Dict, Optional

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.run import Run


class AcmeHook(Hook):
    """Prints the loss, averaged over the last steps, after every epoch.

    Args:
        decay: weight of the old average, 0..1.
    """

    def __init__(self, decay: float = 0.9) -> None:
        self.decay = decay
        self.average: Optional[float] = None

    def after_step(self, run: Run) -> None:
        loss = run.losses["loss"]
        self.average = loss if self.average is None else self.decay * self.average + (1 - self.decay) * loss

    def after_epoch(self, run: Run) -> None:
        print(f"epoch {run.epoch}: loss about {self.average:.4f}")

    def state_dict(self) -> Dict[str, object]:
        return {"average": self.average}

    def load_state_dict(self, state: Dict[str, object]) -> None:
        self.average = state["average"]
