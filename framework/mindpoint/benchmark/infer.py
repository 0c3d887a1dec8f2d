"""Benchmark of prediction, part by part."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from pathlib import Path
from typing import List

from mindpoint.benchmark.counts import network_facts
from mindpoint.benchmark.report import Clock, Report, peak_memory_mib
from mindpoint.benchmark.settings import Settings
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.records import to_records
from mindpoint.data.build import build_dataset
from mindpoint.data.preprocess import inference_view
from mindpoint.inference.mindspore_model import network_detector
from mindpoint.inference.sources import to_image
from mindpoint.model.network import build_network
from mindpoint.native.accelerate import accelerate
from mindpoint.runtime import device
from mindpoint.storage.files import temporary_folder
from mindpoint.storage.images import read_image, write_image

IMAGES = 16


def infer(settings: Settings) -> Report:
    """Measure prediction from image files to result records. The weights are random: their maps have more peaks than those of a trained
    network, the worst case for the decoder. ``load`` reads and decodes files, ``decode`` turns maps into detections in pixels of the image,
    ``post-process`` merges scales and makes records.
    """
    config, data = settings.load_with_data("val", *([] if settings.batch is None else [f"+test.batch_size={settings.batch}"]))
    device.setup(seed=config.seed, **vars(config.section("runtime")))
    network, test = build_network(config), config.section("test")
    accelerate(network)
    clock, detector = Clock(cpu=Clock(time.process_time)), network_detector(config, network)
    detect, decoder = detector.detect, detector.decoder
    detect.forward, detect.decode = clock.around("network", detect.forward), clock.around("decode", detect.decode)
    decoder.merge = clock.around("post-process", decoder.merge)
    found: List[Detections] = []
    with temporary_folder() as folder:
        paths = _files(build_dataset(config, "val"), folder)
        names = itertools.cycle(paths)
        for _ in range(1 + settings.warmup + settings.runs):
            with clock("load"):
                images = [read_image(next(names)) for _ in range(test.batch_size)]
            with clock("pre-process"):  # without the parts measured separately
                found = detector(images)
            with clock("post-process"):
                for detections in found:
                    to_records(detections, config.classes)
            clock.close()
        height, width = read_image(paths[0]).shape[:2]
    parts = clock.rows(1 + settings.warmup, test.batch_size)
    _, raster = inference_view((height, width), config.input_spec.size, test.resolution, test.scales[0], detector.divisor)
    facts = {
        "data": data,
        "image": f"{height} x {width}",
        "network_input": f"{test.batch_size} x 3 x {raster[0]} x {raster[1]}",
        "images_per_second": 1e3 / parts[-1]["median_ms"],
        "compile_seconds": sum(clock.rounds[0].values()) - test.batch_size * parts[-1]["median_ms"] / 1e3,
        "detections_in_the_last_image": len(found[-1]),
        "peak_memory_MiB": peak_memory_mib(),
        **network_facts(network, raster),
    }
    return Report(facts, {"time per image": parts})


def _files(dataset: Dataset, folder: Path) -> List[Path]:
    """Write some images of a data set, of the most common size, as JPEG files. One size suffices, because a network is compiled for each
    size."""
    images = [to_image(dataset[index].image) for index in range(min(IMAGES, len(dataset)))]
    usual = Counter(image.shape for image in images).most_common(1)[0][0]
    paths = []
    for image in images:
        if image.shape == usual:
            paths.append(folder / f"{len(paths)}.jpg")
            write_image(paths[-1], image)
    return paths
