"""Cameras and streams in parallel, always with the newest frame."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Callable, Deque, Dict, Iterator, List, Optional, Sequence

from mindpoint.contracts.prediction import Source
from mindpoint.errors import DataError
from mindpoint.inference.sources import Frame, frames_of

_PAUSE = 1.0  # seconds between two attempts to connect
_REMEMBERED = 1000  # number of latencies to keep


@dataclass
class Live:
    """The settings and statistics of live sources.

    Attributes:
        reconnect: seconds to retry a source that has ended or failed, counted from its last frame.
        read: number of frames that were read.
        dropped: number of frames that a newer one replaced before the network was free.
        latencies: seconds from reading to prediction, of the last frames.
    """

    reconnect: float = 0.0
    read: int = 0
    dropped: int = 0
    latencies: Deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def done(self, frame: Frame) -> None:
        """Record a predicted frame."""
        self.latencies.append(time.monotonic() - frame.read)

    def __str__(self) -> str:
        said = f"{self.dropped} of {self.read} frames dropped for newer ones"
        return f"{said}, {1e3 * statistics.median(self.latencies):.0f} ms from reading to prediction (median)" if self.latencies else said


def newest_frames(
    sources: Sequence[Source],
    live: Live,
    most: Optional[int],
    every: int,
    failed: Callable[[DataError], None],
    check: Callable[[Frame], None],
) -> Iterator[Frame]:
    """Yield the newest frame of each source in turn, until all have ended.

    A thread per source reads as fast as the source delivers.

    Args:
        most: maximum number of frames per source.
        every: take every n-th frame.
        failed: function that is called with the error of a source that cannot be opened or read, or whose frame fails the check. The
            source then ends; the others go on.
        check: function that raises DataError for a frame that cannot be used.
    """
    waiting: Dict[Source, Frame] = {}
    errors: List[DataError] = []
    reading = set(sources)
    changed, closed = threading.Condition(), threading.Event()

    def read(source: Source) -> None:
        try:
            for frame in _connected(source, live, most, closed):
                if frame.index % every:
                    continue
                check(frame)
                with changed:
                    live.read += 1
                    live.dropped += source in waiting
                    waiting[source] = frame
                    changed.notify_all()
                if closed.is_set():
                    return
        except DataError as error:
            errors.append(error)
        finally:
            with changed:
                reading.discard(source)
                changed.notify_all()

    for source in reading.copy():
        threading.Thread(target=read, args=(source,), daemon=True).start()
    turn = deque(sources)
    try:
        while True:
            with changed:
                changed.wait_for(lambda: waiting or errors or not reading)
                told, errors[:] = errors[:], []
                if not (waiting or told):
                    return
                source = next((source for source in turn if source in waiting), None)
                frame = waiting.pop(source, None)
            for error in told:
                failed(error)
            if frame is not None:
                turn.remove(source)
                turn.append(source)
                yield frame
    finally:
        closed.set()


def _connected(source: Source, live: Live, most: Optional[int], closed: threading.Event) -> Iterator[Frame]:
    """Yield the frames of a source, numbered across reconnections; raise the DataError of the last connection."""
    count, last, started = 0, time.monotonic(), time.monotonic()
    while True:
        error = None
        try:
            for frame in frames_of(source, None if most is None else most - count):
                last = time.monotonic()
                yield replace(frame, index=count, time=frame.time if count == frame.index else last - started, count=None, read=last)
                count += 1
        except DataError as raised:
            error = raised
        if count == most or time.monotonic() - last >= live.reconnect or closed.wait(_PAUSE):
            if error is not None:
                raise error
            return
