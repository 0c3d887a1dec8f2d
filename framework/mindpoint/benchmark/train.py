"""The speed of training steps."""

from __future__ import annotations

import time

from mindpoint.benchmark.counts import network_facts
from mindpoint.benchmark.report import Clock, Report, peak_memory_mib
from mindpoint.benchmark.settings import Settings
from mindpoint.contracts.hook import Hook
from mindpoint.runtime import device
from mindpoint.storage.files import temporary_folder
from mindpoint.training.build import build_trainer

# no hooks, evaluation or initial weights, and more steps than are measured
ONLY_STEPS = ("hooks=null", "data.val=null", "+train.weights=null", "+train.max_steps=null", "+train.steps=1000000")


class _Times(Hook):
    """A hook that times some steps and then ends the training."""

    def __init__(self, steps: int):
        self.steps = steps
        self.cpu = Clock(time.process_time)
        self.clock = Clock(cpu=self.cpu)
        self.ended = time.process_time()

    def before_step(self, trainer) -> None:
        self.began = time.process_time()

    def after_step(self, trainer) -> None:
        now = time.process_time()
        self.clock.rounds.append({"data wait": trainer.data_seconds, "step": trainer.step_seconds})
        self.cpu.rounds.append({"data wait": self.began - self.ended, "step": now - self.began})
        self.ended = now
        if len(self.clock.rounds) == self.steps:
            trainer.stop_reason = "the benchmark is complete"


def train(settings: Settings) -> Report:
    """Measure steps of the configured training, from random weights: waiting for data, and the step itself (forward,
    gradients, update)."""
    changes = [] if settings.batch is None else [f"+data.train.batch_size={settings.batch}"]
    changes += [] if settings.workers is None else [f"+data.train.workers={settings.workers}"]
    config, data = settings.load_with_data("train", *ONLY_STEPS, *changes)
    device.setup(seed=config.seed, **vars(config.section("runtime")))
    with temporary_folder() as folder:
        trainer = build_trainer(config, folder)
        times = _Times(1 + settings.warmup + settings.runs)
        trainer.hooks = {"times": times}
        trainer.train()
    parts = times.clock.rows(1 + settings.warmup)
    split = config.split("train")
    batch, size = split.batch_of_each(1), split.input_spec(config.input_spec).size
    facts = {
        "data": data,
        "network_input": f"{batch} x 3 x {size[0]} x {size[1]}",
        "images_per_second": batch * 1e3 / parts[-1]["median_ms"],
        "compile_seconds": times.clock.rounds[0]["step"] - parts[1]["median_ms"] / 1e3,
        "last_loss": trainer.losses["loss"],
        "peak_memory_MiB": peak_memory_mib(),
        **network_facts(trainer.network_step.network, size),
    }
    return Report(facts, {"time a step": parts})
