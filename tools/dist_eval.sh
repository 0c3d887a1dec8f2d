#!/usr/bin/env bash
# Evaluate in several processes: tools/dist_eval.sh MODEL N [--split NAME ...] [--nnodes M --node-rank R --master HOST:PORT] [...]
# The same as `mindpoint launch N eval MODEL ...`; `mindpoint launch --help` tells the options.
model=${1:?MODEL is missing} processes=${2:?N, the number of processes on this host, is missing}
exec "${PYTHON:-python}" -m mindpoint launch "$processes" eval "$model" "${@:3}"
