"""mindpoint data browse"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, List, Optional

from mindpoint.contracts.action import DataAction

from mindpoint_coco.data_command.command import add_data, chosen_splits

if TYPE_CHECKING:
    from mindpoint.contracts.data import Dataset
    from mindpoint.contracts.image import View
    from mindpoint.contracts.visualizer import Visualizer
    from mindpoint.data.samples import TrainingSamples

    from mindpoint_coco.data_command.page import Shown

DESCRIPTION = """Draw images with their annotations, their mirrored copies and, where the split has training targets,
the augmented network input with its targets."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--count", metavar="N", type=int, default=8, help="number of images per split (default: 8)")
    parser.add_argument("--start", metavar="I", type=int, default=0, help="index of the first image in the data set, from 0 (default: 0)")
    parser.add_argument("--id", metavar="ID", type=int, action="append", help="draw the image with this id; may be repeated")
    parser.add_argument("--epoch", metavar="E", type=int, default=0, help="augment as in this epoch, counted from 0 (default: 0)")
    parser.add_argument("--details", "--joints", action="store_true", help="also draw the targets' details, such as one heatmap per joint")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the pictures, new or empty (default: data-browse-NAME)")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write one web page that holds all pictures, instead of a folder")


def run(args: argparse.Namespace) -> int:
    from mindpoint.errors import ConfigError, OutputError
    from mindpoint.storage.files import atomic_folder, write_text
    from mindpoint.storage.images import write_image

    from mindpoint_coco.data_command.page import page
    from mindpoint_coco.data_command.sheet import sheet

    if args.count < 1 or args.start < 0 or args.epoch < 0:
        raise ConfigError("--count must be at least 1; --start and --epoch must be at least 0")
    if args.html and args.html.exists():
        raise OutputError(f"{args.html}: exists; choose another name or remove it")
    shown = _of_file(args) if args.data.endswith(".json") else _of_config(args)
    if args.html:
        shown = list(shown)
        write_text(args.html, page(shown, args.data))
        print(f"{args.html}: {len(shown)} images")
        return 0
    out, written = args.out or Path(f"data-browse-{Path(args.data).stem}"), 0
    with atomic_folder(out) as folder:
        for each in shown:
            write_image(folder / f"{each.name}.jpg", sheet(each.pictures, 3))
            if each.details:
                write_image(folder / f"{each.name}-details.jpg", sheet(each.details, 6))
            written += 1
    print(f"{out}: {written} images")
    return 0


def _of_file(args: argparse.Namespace) -> Iterator[Shown]:
    """Yield the samples of an annotation file: without augmentation and targets."""
    from mindpoint.visual.objects import ObjectVisualizer

    from mindpoint_coco.data_command.source import sources
    from mindpoint_coco.datasets.coco import CocoDataset

    (source,) = sources(args, images=True)
    dataset = CocoDataset(args.data, args.images, source.classes, source.keypoints)
    return _samples(args, source.name, dataset, ObjectVisualizer(source.classes), None)


def _of_config(args: argparse.Namespace) -> Iterator[Shown]:
    from mindpoint.config import load_config
    from mindpoint.data.build import build_dataset, build_samples
    from mindpoint.visual.build import build_visualizer

    config = load_config(args.data, args.set, ("data", "test.visualizer"))
    visualizer = build_visualizer(config)
    for split in chosen_splits(args, config):
        samples = build_samples(config, split) if config.has(f"data.{split}.targets") else None
        dataset = samples.dataset if samples else build_dataset(config, split)
        yield from _samples(args, split, dataset, visualizer, samples)


def _samples(
    args: argparse.Namespace, split: str, dataset: Dataset, visualizer: Visualizer, samples: Optional[TrainingSamples]
) -> Iterator[Shown]:
    from mindpoint.runtime.progress import track

    from mindpoint_coco.data_command.page import Shown
    from mindpoint_coco.data_command.sheet import annotated, learnt

    indices = _chosen(args, dataset)
    for index in track(indices, len(indices), f"drawing {split}"):
        sample = dataset[index]
        pictures, details, facts = annotated(sample, visualizer), {}, f"image id {sample.image_id}, {sample.name}"
        if samples is not None:
            seen, targets, _ = samples.prepare(samples.position(args.epoch, samples.images.searchsorted(index)))
            targets_drawn, details = learnt(seen, targets, samples.encoder, args.details)
            pictures.update(targets_drawn)
            facts = f"{facts}; {_window(seen.view)}"
        yield Shown(f"{split}-{index:06d}-{sample.image_id}", facts, pictures, details)


def _window(view: View) -> str:
    x, y = view.crop_center
    return (
        f"window of {view.crop_size:.0f} px around ({x:.0f}, {y:.0f}), rotated by {view.rotation:.0f} degrees" + ", mirrored" * view.mirror
    )


def _chosen(args: argparse.Namespace, dataset: Dataset) -> List[int]:
    from mindpoint.errors import ConfigError

    from mindpoint_coco.datasets.rules import few

    if not args.id:
        if args.start >= len(dataset):
            raise ConfigError(f"--start: {args.start} is beyond the {len(dataset)} images of {dataset}")
        return list(range(args.start, min(args.start + args.count, len(dataset))))
    place = {image_id: index for index, image_id in enumerate(dataset.ids())}
    lost = [image_id for image_id in args.id if image_id not in place]
    if lost:
        raise ConfigError(f"--id: {few(lost)} {'is' if len(lost) == 1 else 'are'} not in {dataset}; it has {few(list(place))}")
    return [place[image_id] for image_id in args.id]


class Browse(DataAction):
    """draw samples as the network sees them, with their targets"""

    description = DESCRIPTION
    examples = (
        "mindpoint data browse mine.yaml --html look.html",
        "mindpoint data browse mine.yaml --id 535506 --details --out one",
    )
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
