"""Losses, learning rate, statistics and pictures for TensorBoard."""

from __future__ import annotations

import itertools
import os
import socket
import time
from typing import Dict

from mindpoint.contracts.run import Run
from mindpoint.errors import ConfigError, OutputError
from mindpoint.hooks.step_log import StepLog
from mindpoint.storage.files import make_folder
from mindpoint.visual.history import NO_LOSSES

_numbers = itertools.count()  # distinguishes files of this process opened in the same second


class TensorBoard(StepLog):
    """Writes event files to the run's folder ``tensorboard``; ``tensorboard --logdir runs`` shows them. Requires the package
    ``tensorboard``.

    Losses are ``loss/total`` and ``loss/<term>``; times and the learning rate are ``training/...``; statistics keep their names. Pictures
    of the hook Pictures are included if it comes before this one. A resumed training continues at its step: TensorBoard hides later records
    of the interrupted training.

    Args:
        every: number of steps between two records.
        pictures: include pictures.
    """

    def __init__(self, every: int = 10, pictures: bool = True):
        super().__init__(every)
        try:
            import tensorboard.summary.writer.record_writer  # noqa: F401
        except ImportError as error:
            raise ConfigError("needs the package tensorboard; run pip install 'mindpoint[tensorboard]', or set the hook to null") from error
        self.pictures = pictures
        self.file = None

    def before_train(self, run: Run) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        # The package's own EventFileWriter writes in a thread, which ends with a traceback if the disk is full.
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self.path = make_folder(run.run_dir / "tensorboard") / name
        try:
            # unbuffered: closing does not retry a failed write; open until :meth:`close`
            self.file = open(self.path, "xb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from error
        self.records = RecordWriter(self.file)
        self._write(0, file_version="brain.Event:2")
        if run.step:
            self._write(run.step + 1, session_log=SessionLog(status=SessionLog.START))

    def write_step(self, step: int, values: Dict[str, float]) -> None:
        named = {f"training/{n}" if n in NO_LOSSES else f"loss/{'total' if n == 'loss' else n}": v for n, v in values.items()}
        self._write_values(step, named)

    def write_statistics(self, step: int, epoch: int, statistics: Dict[str, float]) -> None:
        self._write_values(step, statistics)

    def after_eval(self, run: Run) -> None:
        super().after_eval(run)
        if self.pictures:
            path = run.run_dir / "pictures" / f"epoch-{run.epoch:04d}.jpg"
            if path.is_file():
                self._write_picture(run.step, path.read_bytes())

    def after_train(self, run: Run) -> None:
        if self.file is not None:
            self.file.close()

    def _write_values(self, step: int, values: Dict[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step, summary=Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()]))

    def _write_picture(self, step: int, content: bytes) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step, summary=Summary(value=[Summary.Value(tag="pictures", image=Summary.Image(encoded_image_string=content))]))

    def _write(self, step: int, **content) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        try:
            self.records.write(Event(wall_time=time.time(), step=step, **content).SerializeToString())
            self.records.flush()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from error
