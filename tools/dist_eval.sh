#!/usr/bin/env bash
# Evaluate in several processes: tools/dist_eval.sh MODEL N [--split NAME ...] [--nnodes M --node-rank R --master HOST:PORT] [...]
# The same as `mindpoint launch N eval MODEL ...`; `mindpoint launch --help` lists the options.
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_eval.sh MODEL N [--split NAME ...] [--nnodes M --node-rank R --master HOST:PORT] [...]" >&2
    exit 2
fi
exec "${PYTHON:-python}" -m mindpoint launch "$2" eval "$1" "${@:3}"
