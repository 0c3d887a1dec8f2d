#!/usr/bin/env bash
# Train in several processes: tools/dist_train.sh CONFIG N [--set KEY=VALUE ...] [--nnodes M --node-rank R --master HOST:PORT] [...]
# The same as `mindpoint launch N train CONFIG ...`; `mindpoint launch --help` tells the options.
config=${1:?CONFIG is missing} processes=${2:?N, the number of processes on this host, is missing}
exec "${PYTHON:-python}" -m mindpoint launch "$processes" train "$config" "${@:3}"
