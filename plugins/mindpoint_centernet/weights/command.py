"""The command ``mindpoint weights``: convert official weights to checkpoints and back, publish checkpoints."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from mindpoint.cli.parser import Parser

_MODEL = "a checkpoint, or a run folder (its best.ckpt, else last.ckpt)"


def main(argv: Sequence[str]) -> int:
    """convert weights of other implementations (official CenterNet, model zoo, torchvision) to checkpoints and back; publish checkpoints

    Exit code 1 if a verification fails.
    """
    args = _parser().parse_args(argv)
    if args.action == "fetch":
        return _fetch(args.name)
    from mindpoint.runtime import logs

    logs.setup()
    if args.action == "publish":
        return _publish(args)
    from mindpoint_centernet.weights.verify import require_torch

    if args.verify:
        require_torch()
    return _convert(args) if args.action == "convert" else _convert_back(args)


def _parser() -> Parser:
    parser = Parser(
        prog="mindpoint weights", description="Convert weights of other implementations to checkpoints and back; publish checkpoints."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_conversions(actions)
    fetch = _add(
        actions,
        "fetch",
        "download public weights by name to the user's cache",
        "train.weights and 'convert' also accept a name.",
        ["mindpoint weights fetch", "mindpoint weights fetch resnet18"],
    )
    fetch.add_argument(
        "name", metavar="NAME", nargs="?", help="name of the weights, e.g. resnet18; without a name, list all names and their URLs"
    )
    text = "write a checkpoint to publish: weights and configuration, without training state, with a hash in the name"
    give = _add(actions, "publish", text, examples=["mindpoint weights publish runs/quickstart people.ckpt"])
    give.add_argument("model", metavar="MODEL", help=_MODEL)
    give.add_argument(
        "out", metavar="NAME.ckpt", nargs="?", help="name of the file NAME-HASH.ckpt (default: next to MODEL, named after its folder)"
    )
    return parser


def _add_conversions(actions: argparse._SubParsersAction) -> None:
    convert = _add(
        actions,
        "convert",
        "convert official, model zoo or ImageNet weights to a checkpoint",
        "Code in FILE is never run.",
        ["mindpoint weights convert multi_pose_dla_3x.pth dla_3x.ckpt"],
    )
    kinds = (
        "dla_34, hourglass, resdcn_18/34/50/101/152 or res_* for multi_pose or ctdet; model zoo's .ckpt; ImageNet's DLA34, "
        "torchvision's ResNet, MobileNet"
    )
    convert.add_argument("file", metavar="FILE", help=f"{kinds}; or a name listed by 'fetch'")
    convert.add_argument("out", metavar="OUT.ckpt", help="the checkpoint to write")
    convert.add_argument("--config", metavar="CONFIG", help="the configuration to store in it (default: the matching shipped one)")
    text = "convert a checkpoint to a file of the official implementation or the model zoo"
    back = _add(actions, "to-official", text, examples=["mindpoint weights to-official runs/mine mine.pth"])
    back.add_argument("model", metavar="MODEL", help=_MODEL)
    back.add_argument("out", metavar="OUT", help="the file to write: .pth, or .ckpt for the model zoo's network")
    back.add_argument("--classifier", action="store_true", help="dla_34: add the unused base.fc of networks made with ImageNet weights")
    for action in (convert, back):
        action.add_argument("--verify", action="store_true", help="compare with PyTorch (if installed) on random numbers and an image")
        action.add_argument("--image", metavar="IMAGE", help="image for --verify (default: a drawn one)")


def _add(
    actions: argparse._SubParsersAction, name: str, text: str, more: str = "", examples: Sequence[str] = ()
) -> argparse.ArgumentParser:
    """Add an action. Its description is ``text``, its help, written as a sentence, and then ``more``."""
    return actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".rstrip(), examples=examples)


def _publish(args: argparse.Namespace) -> int:
    from pathlib import Path

    from mindpoint.inference.open import find_model
    from mindpoint.model.publish import publish

    place = find_model(args.model)
    path, averaged = publish(place, None if args.out is None else Path(args.out))
    sizes = " to ".join(f"{file.stat().st_size / 1e6:.1f}" for file in (place, path))
    print(f"{path}: {'averaged ' if averaged else ''}weights and configuration, {sizes} MB")
    return 0


def _fetch(name: Optional[str]) -> int:
    from mindpoint.model.translate import downloads, find_file
    from mindpoint.runtime.tables import table

    print(find_file(name) if name else table(None, list(downloads().items())))
    return 0


def _convert(args: argparse.Namespace) -> int:
    from mindpoint_centernet.weights import convert

    found, count, whole = convert.convert(args.file, args.out, args.config)
    use = f"try it: mindpoint predict {args.out} IMAGE"
    if not whole:
        use = f"initial weights, for --set train.weights={args.out}; a part of a network, which cannot predict"
    print(f"{args.file}: {found}\n{args.out}: {count} arrays, {use}")
    if args.verify and not whole:
        print("not compared with PyTorch, since only whole networks can be")
    return _compare(args.out, args.file, args.image) if args.verify and whole else 0


def _convert_back(args: argparse.Namespace) -> int:
    from mindpoint_centernet.weights.convert import convert_back

    found = convert_back(args.model, args.out, args.classifier)
    print(f"{args.out}: {found}")
    if found.usage:
        print(f"load it in the official code with: {found.usage.format(file=args.out)}")
    else:
        print(f"the official code has no {found.name} with these widths and heads; change its code accordingly")
    return _compare(args.model, args.out, args.image) if args.verify else 0


def _compare(ours: str, official: str, image: Optional[str]) -> int:
    from mindpoint.contracts.comparison import as_table
    from mindpoint.inference.open import open_model
    from mindpoint.model.translate import find_file, read_state, recognize

    from mindpoint_centernet.weights.verify import verify

    rows = verify(open_model(ours), recognize(read_state(find_file(official)), official), image)
    print(as_table(rows))
    return 0 if all(row.passed for row in rows) else 1
