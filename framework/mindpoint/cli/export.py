"""mindpoint export"""

from __future__ import annotations

import argparse

from mindpoint.cli.options import add_device, add_set, add_trust

HELP = "write a trained model as ONNX, OpenVINO, MINDIR or AIR, compared with the original"
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
        help="onnx, openvino, mindir, air (needs an Ascend), or one that a plugin adds (default: onnx)",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="the file, which must not exist (default: beside the checkpoint, ending in the format)"
    )
    parser.add_argument("--decode", action="store_true", help="decode inside the file, which then returns detections instead of maps")
    parser.add_argument(
        "--dynamic",
        choices=("batch", "size"),
        nargs="+",
        action="extend",
        default=[],
        help="accept any number of images (batch), any height and width (size; onnx, openvino), or both; fixed otherwise",
    )
    parser.add_argument("--batch", metavar="N", type=int, default=1, help="images at once, if that is fixed (default: 1)")
    parser.add_argument("--portable", action="store_true", help="use ordinary operators only, for runtimes without DeformConv (onnx)")
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "bfloat16", "int8"),
        default="float32",
        help="float16, for accelerators, and bfloat16: openvino; int8: onnx, openvino; compared on data.val (default: float32)",
    )
    parser.add_argument(
        "--most-lost",
        metavar="X",
        type=float,
        help="refuse a reduced precision that costs more of the metric's main statistic, AP for COCO's (default: 0.01)",
    )
    parser.add_argument(
        "--images",
        metavar="PATH",
        nargs="+",
        default=[],
        help="what to compare on, and to find the ranges of int8 with: images, folders, videos; at most eight",
    )
    parser.add_argument("--no-verify", dest="verify", action="store_false", help="do not run the file to compare it with the original")
    parser.add_argument("--config", metavar="CONFIG", help="use this configuration, not the one that the checkpoint carries")
    add_set(parser)
    add_device(parser)
    add_trust(parser, "the checkpoint")


def run(args: argparse.Namespace) -> int:
    from mindpoint.export.request import MOST_LOST, Request
    from mindpoint.inference.open import find_model
    from mindpoint.runtime import logs

    logs.setup()
    request = Request(
        place=find_model(args.model),
        format=args.format,
        out=args.out,
        decode=args.decode,
        batch=None if "batch" in args.dynamic else args.batch,
        dynamic_size="size" in args.dynamic,
        portable=args.portable,
        precision=args.precision,
        most_lost=MOST_LOST if args.most_lost is None else args.most_lost,
        verify=args.verify,
        images=args.images,
    )

    from mindpoint.export.write import export

    print(export(request, args.config, args.set, args.trust))
    return 0
