"""Benchmark of training samples: the time of each part of one sample, and the throughput with several numbers of workers."""

from __future__ import annotations

import resource
import time
from typing import List

import cv2
import numpy as np

from mindpoint.benchmark.report import Clock, Report, Row, peak_memory_mib
from mindpoint.benchmark.settings import Settings
from mindpoint.data.loader import Loader
from mindpoint.data.samples import TrainingSamples
from mindpoint.runtime import cpu
from mindpoint.training.build import build_samples

SAMPLES = 100  # samples per measured round


def data(settings: Settings) -> Report:
    """Measure the parts of preparing a sample on one core, and the rate at which 1, 2, 4, ... workers deliver batches to the training."""
    changes = [] if settings.batch is None else [f"+data.train.batch_size={settings.batch}"]
    config, described = settings.load_with_data("train", *changes)
    samples, split = build_samples(config), config.split("train")
    batch = min(split.batch_of_each(1), len(samples))
    most = min(settings.workers or split.workers, cpu.cores())
    counts = sorted({most, *(2**power for power in range(most.bit_length()) if 2**power <= most)})
    parts = _parts(samples, settings)
    rows = [_delivered(samples, batch, workers, processes, settings) for processes in (False, True) for workers in counts]
    for row in rows:
        first = next(other for other in rows if other["kind"] == row["kind"])
        row["times_one_worker"] = row["images_per_second"] / first["images_per_second"]
    facts = {"data": described, "batch": batch, "peak_memory_MiB": peak_memory_mib(), "peak_memory_of_a_process_MiB": peak_memory_mib(True)}
    return Report(facts, {"core time per sample": parts, "delivered as batches": rows})


def _parts(samples: TrainingSamples, settings: Settings) -> List[Row]:
    """Measure the steps of :meth:`TrainingSamples.write`."""
    cv2.setNumThreads(0)
    clock, image = Clock(time.thread_time), np.empty_like(samples.example["image"])
    for number in range(settings.warmup + settings.runs):
        for position in range(number * SAMPLES, (number + 1) * SAMPLES):
            epoch, index = divmod(position, len(samples))
            rng = np.random.default_rng((samples.seed, epoch, index))
            with clock("read and decode"):
                sample = samples.dataset[index]
            for name in samples.transforms:
                with clock(type(samples.transforms[name]).__name__):
                    sample = samples.transform(name, sample, rng, samples.pool(epoch, name))
            with clock("targets"):
                samples.encoder(sample)
            with clock("normalise"):
                samples.input_spec.normalize(sample.image, sample.color_matrix, image)
        clock.close()
    return clock.rows(settings.warmup, SAMPLES)


def _delivered(samples: TrainingSamples, batch: int, workers: int, processes: bool, settings: Settings) -> Row:
    """Measure the throughput of the loader."""
    loader = Loader(samples, batch, workers, True, processes)
    wanted = -(-settings.runs * SAMPLES // batch)
    epochs = 2 + (settings.warmup + wanted) // loader.steps_per_epoch
    batches = (b for epoch in loader.epochs(epochs) for b in epoch)
    for _ in range(settings.warmup):
        next(batches)
    started, before = time.perf_counter(), _cpu_seconds()
    for _ in range(wanted):
        next(batches)
    seconds = time.perf_counter() - started
    batches.close()
    used = _cpu_seconds() - before
    return {
        "kind": "processes" if processes else "threads",
        "workers": workers,
        "images_per_second": wanted * batch / seconds,
        "ms_a_sample": 1e3 * seconds / wanted / batch,
        "cpu_ms_a_sample": 1e3 * used / wanted / batch,
    }


def _cpu_seconds() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)
