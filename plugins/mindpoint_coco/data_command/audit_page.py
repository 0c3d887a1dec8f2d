"""The page of an audit: each suspect with annotation and detections side by side, and a command that applies the accepted ones."""

from __future__ import annotations

import argparse
import shlex
from html import escape
from pathlib import Path
from typing import List, Sequence, Tuple

import cv2
import numpy as np
from mindpoint.contracts.instances import Objects
from mindpoint.contracts.motion import Motion
from mindpoint.runtime.progress import track
from mindpoint.storage.files import write_text
from mindpoint.visual.html import document, figures, note, section
from mindpoint.visual.objects import ObjectVisualizer

from mindpoint_coco.annotation_writer import annotation_values
from mindpoint_coco.audit.suspect_file import record_of
from mindpoint_coco.audit.suspects import KINDS, Suspect
from mindpoint_coco.data_command.sheet import in_side_colors
from mindpoint_coco.data_command.source import Source

_HEIGHT, _WIDEST = 300, 460  # height and maximum width of a picture in pixels
_AROUND = 0.25  # margin around the objects, as a share of their longer side
_RING = (255, 0, 255)  # blue, green, red
_LIKELY = 0.3  # minimum score of the detections drawn for a suspect without one
_TEXT = {
    "sides": "the ringed joints are swapped",
    "joint": "the ringed joints move to the model's positions",
    "box": "the model's box replaces it",
    "class": "the model's class replaces it",
    "missing": "the model's detection is added",
    "extra": "the annotation is removed",
}
_STYLE = """
main { padding-bottom: 9em } section:has(input:checked) { border-color: #15803d; background: #f0fdf4 } label { cursor: pointer }
footer { position: fixed; left: 0; right: 0; bottom: 0; max-width: none; padding: .6em 1.5em;
background: var(--card); border-top: 2px solid var(--soft) }
footer p { margin: 0 0 .4em } textarea { width: 100%; color: var(--ink); font: 13px monospace }
"""
_SCRIPT = """
const command = document.querySelector("textarea"), start = command.value;
const show = () => {
  const ids = Array.from(document.querySelectorAll("input:checked"), (box) => box.value);
  command.value = ids.length ? start.replace("IDS", ids.join(",")) : start;
  document.querySelector("footer span").textContent = ids.length;
};
document.addEventListener("change", show);
show();
"""


def write_page(path: Path, found: Sequence[Tuple[Source, Suspect]], args: argparse.Namespace, out: Path) -> None:
    """Write the page with all pictures embedded. ``out``: the folder of the audit, for the command. Raises OutputError, DataError."""
    sections = [_section(number, source, suspect) for number, (source, suspect) in track(enumerate(found, 1), len(found), "drawing")]
    title = f"Suspicious annotations: {args.data}"
    lead = (
        f"<p>Annotations beside detections of {escape(args.model)}, the most suspicious first. Left joints (the first of each pair) are "
        "orange, right ones blue. A surprise of 3 means that one correct label in a thousand differs as much.</p>"
    )
    end = (
        f'<footer><p><span>0</span> accepted; this command writes corrected copies:</p><textarea rows="3" readonly>'
        f"{escape(_command(args, out))}</textarea></footer><script>{_SCRIPT}</script>"
    )
    write_text(path, document(title, lead, "\n".join(sections), end, _STYLE))


def _command(args: argparse.Namespace, out: Path) -> str:
    """Return the command that applies corrections, with IDS as the placeholder of the numbers."""
    words = ["mindpoint", "data", "correct", str(out), args.data]
    for name in ("images", "config"):
        words += [f"--{name}", getattr(args, name)] if getattr(args, name) else []
    words += [word for name in ("split", "set") for value in getattr(args, name) or () for word in (f"--{name}", value)]
    return f"{shlex.join(words[:5])} --accept IDS --out {shlex.quote(f'{out}-corrected')} {shlex.join(words[5:])}".strip()


def _section(number: int, source: Source, suspect: Suspect) -> str:
    record = record_of(number, source, suspect)
    what = f"{KINDS[suspect.kind]}{': ' if record['joints'] else ''}{', '.join(record['joints'])}"
    where = f"{source.name}, image {record['image_id']}, {record['file_name']}" + (
        "" if suspect.annotation is None else f", annotation {record['annotation_id']}"
    )
    facts = f"surprise {record['surprise']:.1f}; {where}" + ("" if suspect.found is None else f"; the model's score {record['score']:.2f}")
    pictures = figures(dict(zip(("annotated", "found"), _pictures(source, suspect))), quality=80)
    heading = f'<label><input type="checkbox" value="{number}" autocomplete="off"> {number}. {escape(what)}</label>'
    return section(heading, note(f"{facts}. If accepted, {_TEXT[suspect.kind]}.") + pictures)


def _pictures(source: Source, suspect: Suspect) -> List[np.ndarray]:
    """Return two pictures of the image around the suspect: one with the annotation, one with the detection.

    Without an annotation, the first picture shows all annotations; without a detection, the second one shows all likely detections.
    """
    scene = suspect.scene
    truth = scene.truth if suspect.annotation is None else [suspect.annotation]
    likely = [record for record in scene.found if record["score"] >= _LIKELY]
    found = likely if suspect.found is None else [suspect.found]
    found = [{**record, **values} for record, values in ((one, annotation_values(one, scene.image)) for one in found) if values is not None]
    image = source.image(scene.image)
    both = _objects(source, truth), _objects(source, found)
    shown = [objects for objects, own in zip(both, (suspect.annotation, suspect.found)) if own is not None]
    low, high = _window(shown, image.shape[:2])
    factor = min(_HEIGHT / (high[1] - low[1]), _WIDEST / (high[0] - low[0]))
    part = cv2.resize(
        image[low[1] : high[1], low[0] : high[0]],
        None,
        fx=factor,
        fy=factor,
        interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
    )
    visualizer = ObjectVisualizer(source.classes, names=len(source.classes) > 1)
    pictures = []
    for objects in both:
        moved = objects.transform(Motion(np.eye(2) * factor, -factor * low))
        picture = visualizer.draw_objects(part, in_side_colors(moved))
        for joint in suspect.joints:
            x, y = np.rint(moved.keypoints[0, joint, :2]).astype(int).tolist()
            cv2.circle(picture, (x, y), 10, _RING, 2, cv2.LINE_AA)
        pictures.append(picture)
    return pictures


def _objects(source: Source, records: Sequence[dict]) -> Objects:
    """Return annotation records as objects with boxes, classes and joints."""
    names = {record["id"]: record["name"] for record in source.content["categories"]}
    boxes = np.array([record["bbox"] for record in records], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    labels = np.array([source.classes.index(names[record["category_id"]]) for record in records], np.int64)
    fields = () if source.keypoints is None else (source.keypoints.annotated(),)
    values = {
        field.name: np.array([field.from_coco(record) for record in records], np.float32).reshape(-1, *field.shape) for field in fields
    }
    return Objects(boxes.astype(np.float32), labels, fields=fields, values=values)


def _window(shown: Sequence[Objects], size: Tuple[int, int]) -> Tuple[np.ndarray, np.ndarray]:
    """Return the upper left and lower right corner, in whole pixels, of the part of the image around the objects; ``size`` is (H, W)."""
    places = [objects.boxes.reshape(-1, 2) for objects in shown]
    places += [
        points[0][points[0][:, 2] > 0, :2] for points in (objects.values.get("keypoints") for objects in shown) if points is not None
    ]
    every, limits = np.concatenate(places), np.array(size[::-1])
    low, high = every.min(axis=0), every.max(axis=0)
    margin = max(8.0, _AROUND * (high - low).max())
    low, high = (np.clip(corner, 0, limits).astype(int) for corner in (np.floor(low - margin), np.ceil(high + margin)))
    low = np.minimum(low, limits - 1)
    return low, np.maximum(high, low + 1)
