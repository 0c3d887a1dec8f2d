"""Boot file of a ModelArts job: convert its arguments to a command of mindpoint, and run it.

``--data_url`` is the folder of the data, ``--train_url`` the folder from which ModelArts takes the results. ``--command`` (train or eval)
and ``--config`` give the command and the configuration. Further arguments ``--KEY=VALUE`` are settings, such as ``--train.epochs=350``.
``--num_gpus`` and ``--init_method``, which ModelArts adds, are ignored: the number of processes is ``RANK_SIZE``.
"""

import argparse
import os
import sys

from mindpoint.cli.main import main


def command(argv, environment):
    """Return mindpoint's arguments for the job's arguments and environment."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--data_url", help="folder with the data in COCO's layout")
    parser.add_argument("--train_url", help="folder for the results")
    parser.add_argument("--command", choices=("train", "eval"), default="train")
    parser.add_argument("--config", required=True, help="a configuration, or with --command eval a model")
    for name in ("--num_gpus", "--init_method"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    args, rest = parser.parse_known_args(argv)
    wrong = [word for word in rest if not (word.startswith("--") and "=" in word)]
    if wrong:
        parser.error(f"{wrong[0]}: write settings as --KEY=VALUE")
    words = [args.command, args.config]
    words += ["--coco", args.data_url] if args.data_url else []
    words += ["--out", args.train_url] if args.train_url else []
    for setting in rest:
        words += ["--set", setting[2:]]
    processes = int(environment.get("RANK_SIZE", "1"))
    return ["launch", str(processes), *words] if processes > 1 else words


if __name__ == "__main__":
    sys.exit(main(command(sys.argv[1:], os.environ)))
