"""mindpoint export"""

from __future__ import annotations

import argparse

from mindpoint.cli.options import add_device, add_set, add_trust

HELP = "export a trained model as ONNX, OpenVINO, MINDIR or AIR, and compare the file with it"
EXAMPLES = (
    "mindpoint export runs/quickstart",
    "mindpoint export runs/quickstart --format openvino --precision int8 --images photos",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, or a run folder (its best.ckpt, else last.ckpt)")
    parser.add_argument(
        "--format",
        metavar="NAME",
        default="onnx",
        help="onnx, openvino, mindir, air (needs an Ascend), or one of a plugin (default: onnx)",
    )
    parser.add_argument("--out", metavar="FILE", help="new file to write (default: next to the checkpoint)")
    parser.add_argument("--decode", action="store_true", help="include the decoder, so that the file returns detections instead of maps")
    parser.add_argument(
        "--dynamic",
        choices=("batch", "size"),
        nargs="+",
        action="extend",
        default=[],
        help="let the number of images vary (batch), or height and width (size; onnx, openvino), or both (default: all are fixed)",
    )
    parser.add_argument("--batch", metavar="N", type=int, default=1, help="images at once, unless dynamic (default: 1)")
    parser.add_argument("--portable", action="store_true", help="use basic operators only, for runtimes without DeformConv (onnx)")
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "bfloat16", "int8"),
        default="float32",
        help="float16 (for accelerators) or bfloat16 with openvino, int8 with onnx or openvino; verified on data.val (default: float32)",
    )
    parser.add_argument(
        "--most-lost",
        metavar="X",
        type=float,
        help="largest accepted drop of the metric's main statistic (COCO: AP) at reduced precision (default: 0.01)",
    )
    parser.add_argument(
        "--images",
        metavar="PATH",
        nargs="+",
        default=[],
        help="images, folders or videos for the comparison and the calibration of int8; the first eight images are used",
    )
    parser.add_argument("--no-verify", dest="verify", action="store_false", help="do not compare the file with the original")
    parser.add_argument("--config", metavar="CONFIG", help="use this configuration instead of the checkpoint's own")
    add_set(parser)
    add_device(parser)
    add_trust(parser, "the checkpoint")


def run(args: argparse.Namespace) -> int:
    from mindpoint.exporting.request import MOST_LOST
    from mindpoint.exporting.start import export_model
    from mindpoint.runtime import logs

    logs.setup()
    exported = export_model(
        args.model,
        format=args.format,
        out=args.out,
        decode=args.decode,
        batch=args.batch,
        dynamic=args.dynamic,
        portable=args.portable,
        precision=args.precision,
        most_lost=MOST_LOST if args.most_lost is None else args.most_lost,
        images=args.images,
        verify=args.verify,
        config=args.config,
        overrides=args.set,
        trust=args.trust,
    )
    print(exported.report)
    return 0
