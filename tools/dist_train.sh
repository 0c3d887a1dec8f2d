#!/usr/bin/env bash
# Train in several processes: tools/dist_train.sh CONFIG N [--set KEY=VALUE ...] [--nnodes M --node-rank R --master HOST:PORT] [...]
# The same as `mindpoint launch N train CONFIG ...`; `mindpoint launch --help` lists the options.
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_train.sh CONFIG N [--set KEY=VALUE ...] [--nnodes M --node-rank R --master HOST:PORT] [...]" >&2
    exit 2
fi
exec "${PYTHON:-python}" -m mindpoint launch "$2" train "$1" "${@:3}"
