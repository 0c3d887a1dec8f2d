"""Compare the speed of MindRecord with that of image files: conversion, single records in any order, training samples.

    python benchmarks/data_mindrecord.py ANNOTATIONS IMAGES [--config CONFIG] [--rounds N] [--json]

One run measures three things in turn, on the same images: the conversion (with hashing and reading back); reading single records by index
with this project's reader, MindSpore's MindPage and a MindDataset with a sampler of one index; and whole training samples (decoding,
augmentation, targets) from files and from records, in one thread. Prints medians over the rounds. All files are in the page cache, so the
disk is not measured. If the machine also does other work, rely on CPU times and ratios instead of times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, Tuple

Times = Dict[str, List[Tuple[float, float]]]


def timed(times: Times, name: str, action: Callable[[], None]) -> None:
    """Run ``action`` and append its seconds and CPU seconds (all threads) to ``times``."""
    started, cpu = time.perf_counter(), time.process_time()
    action()
    times.setdefault(name, []).append((time.perf_counter() - started, time.process_time() - cpu))


def measure(options: argparse.Namespace, folder: Path) -> Tuple[Times, int]:
    """Return the seconds of each round for all images, and the number of images."""
    import mindspore.dataset as de
    from mindpoint.config import load_config  # before MindSpore, whose environment it sets
    from mindpoint.data.build import build_samples
    from mindpoint_coco.datasets.mindrecord_writer import convert
    from mindspore.mindrecord import MindPage

    files = f"data.train.dataset={{_replace_: true, type: CocoDataset, annotations: {options.annotations}, images: {options.images}}}"
    from_files = build_samples(load_config(options.config, [files]))
    count, times = len(from_files), {}
    for number in range(options.rounds):
        timed(times, "convert", lambda number=number: convert(from_files.dataset, folder / str(number), 8, False))
    records = f"data.train.dataset={{_replace_: true, type: MindRecordDataset, path: {folder / '0'}}}"
    from_records = build_samples(load_config(options.config, [records]))
    shards = [str(path) for path in sorted((folder / "0").glob("*.mindrecord?"))]
    page = MindPage(shards, 1)
    page.category_field = "image_id"
    pages = range(len(json.loads(page.read_category_info())["categories"]))

    def pipelines() -> None:
        for index in range(count):
            next(iter(de.MindDataset(shards, sampler=de.SubsetSampler([index])).create_tuple_iterator(num_epochs=1, output_numpy=True)))

    for number in range(options.rounds):
        timed(times, "record by index", lambda: [from_records.dataset.file_bytes(index) for index in range(count)])
        timed(times, "record by MindPage", lambda: [page.read_at_page_by_id(index, 0, 1) for index in pages])
        timed(times, "record by MindDataset", pipelines)
        for name, samples in (("sample from files", from_files), ("sample from records", from_records)):
            timed(times, name, lambda samples=samples, number=number: [samples.sample(number * count + index) for index in range(count)])
    return times, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations")
    parser.add_argument("images")
    parser.add_argument("--config", default="dla34_dcn_coco", help="keypoints, augmentation and targets (default: dla34_dcn_coco)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times, count = measure(options, Path(folder))
    rows = {
        name: {what: statistics.median(each[place] for each in rounds) / count for place, what in enumerate(("seconds", "cpu_seconds"))}
        for name, rounds in times.items()
    }
    ratio = statistics.median(record[1] / file[1] for record, file in zip(times["sample from records"], times["sample from files"]))
    if options.json:
        print(json.dumps({"images": count, "each": rows, "records_to_files": ratio}))
        return
    for name, row in rows.items():
        print(
            f"{name:22} {1e3 * row['seconds']:8.3f} ms per image, "
            f"CPU {1e3 * row['cpu_seconds']:8.3f} ms: {1 / row['cpu_seconds']:7.0f} per second"
        )
    print(f"training samples: CPU time from records / CPU time from files = {ratio:.3f} (median of {options.rounds} rounds)")


if __name__ == "__main__":
    main()
