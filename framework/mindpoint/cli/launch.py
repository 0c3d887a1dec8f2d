"""mindpoint launch"""

from __future__ import annotations

import argparse
import time

HELP = "train or evaluate in several processes (data-parallel), on one host or several"
EXAMPLES = (
    "mindpoint launch 2 train quickstart",
    "mindpoint launch 8 eval runs/mine --nnodes 2 --node-rank 0 --master 10.0.0.1:8118",
)

COMMANDS = ("train", "eval")
MOST = 1024
"""Maximum number of processes of a host, and of hosts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("processes", metavar="N", type=count, help=f"processes on this host, at most {MOST}")
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help="train or eval")
    parser.add_argument(
        "arguments", metavar="...", nargs=argparse.REMAINDER, help="arguments of the command; they may include the options below"
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nnodes", metavar="M", type=count, default=1, help="number of hosts; start this command on each (default: 1)")
    parser.add_argument("--node-rank", metavar="R", type=int, default=0, help="number of this host, 0 to M-1 (default: 0)")
    parser.add_argument("--master", metavar="HOST:PORT", help="address of host 0; required for several hosts (default: a free port here)")
    parser.add_argument(
        "--hang-timeout",
        metavar="SECONDS",
        type=seconds,
        default=600.0,
        help="end the job if a process is silent for this many seconds; compiling and statistics must take less (default: 600)",
    )
    parser.add_argument("--logs", metavar="DIR", help="folder for the output of each process (default: runs/logs/TIME)")


def run(args: argparse.Namespace) -> int:
    from mindpoint.errors import MindpointError
    from mindpoint.launch import job as launch
    from mindpoint.storage.files import make_folder, numbered_folder

    late = argparse.ArgumentParser(prog="mindpoint launch", allow_abbrev=False, add_help=False)
    _add_options(late)
    args, arguments = late.parse_known_args(args.arguments, args)
    if not 0 <= args.node_rank < args.nnodes:
        raise MindpointError(f"--node-rank is {args.node_rank}; it must be in 0..{args.nnodes - 1} (below --nnodes)")
    if args.nnodes > 1 and args.master is None:
        raise MindpointError("--master is missing; several hosts need HOST:PORT, the address of host 0")
    host, port = launch.address(args.master, listen=args.node_rank == 0)
    logs = make_folder(args.logs) if args.logs else numbered_folder("runs/logs", time.strftime("%Y%m%d-%H%M%S"))
    launch.run(
        launch.Job(
            command=launch.worker_command(args.command, *arguments),
            scheduler=launch.worker_command() if args.node_rank == 0 else (),
            workers=args.processes,
            host=host,
            port=port,
            logs=logs,
            silence=args.hang_timeout,
            hosts=args.nnodes,
            host_rank=args.node_rank,
        )
    )
    return 0


def count(text: str) -> int:
    """Parse a number of processes or hosts."""
    value = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 1 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text[:20]} is not a number in 1..{MOST}")
    return value


def seconds(text: str) -> float:
    """Parse a duration in seconds."""
    value = float(text)
    if not 0 < value <= 86_400 * 365:  # also false for nan
        raise argparse.ArgumentTypeError(f"{text[:20]} is not a positive number of seconds up to a year")
    return value
