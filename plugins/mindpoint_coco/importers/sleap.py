"""SLEAP: .slp, JSON, analysis HDF5 and analysis CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Iterator, List, Sequence, Tuple

from mindpoint.errors import DataError, MindpointError

from mindpoint_coco.importers.document import Item, begins, files, json_file, json_text, named_rows
from mindpoint_coco.importers.form import Kind, Labels, Picture, Point, Thing
from mindpoint_coco.importers.hdf5_file import hdf5, table, texts
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter

_CENTRED = 1.1  # from this version of the format on, 0, 0 is the centre of the first pixel; before, it is its corner
_SUFFIXES = (".slp", ".json", ".h5", ".csv")


class Sleap(LabelImporter):
    """An importer of SLEAP's manual labels, on frames of videos or on images. In a folder, the richest kind of file is used: ``.slp``,
    JSON, ``.h5``, ``.csv``.

    Frames are images named by the video and the frame's number, or else are extracted from the video. Boxes are missing in the format; they
    become the bounding boxes of the joints with a margin. ``.slp`` and ``.h5`` need h5py (the extra ``importers``).

    Args:
        predicted: also use predictions of a network, on frames without manual labels.
        kind: the class of the objects, which the format lacks.
    """

    def __init__(self, predicted: bool = False, kind: str = "animal"):
        self.predicted, self.kind = predicted, kind

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return bool(_files(source))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels, found = Labels(), _files(source)
        read = {".slp": self._slp, ".json": self._json, ".h5": self._analysis, ".csv": self._csv}
        for path in [source] if source.is_file() and source.suffix in read else found:
            pictures: Dict[Tuple[str, int], Picture] = {}
            for video, frame, points, where in read[path.suffix](path, labels):
                name = video if Path(video).suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp") else ""
                told = Picture(name or f"{Path(video.replace(chr(92), '/')).stem}_{frame:06d}", f"{path}: frame {frame} of {video}")
                picture = pictures.setdefault((video, frame), told)
                picture.video, picture.frame = (None, 0) if name else (video, frame)
                picture.things.append(Thing(self.kind, where, points=points))
            labels.pictures += pictures.values()
        return labels

    def _declare(self, names: Sequence[str], lines: Sequence[Tuple[str, str]], labels: Labels, where: str) -> Kind:
        kind = labels.kind(self.kind)
        if len(set(names)) < len(names) or (kind.joints and set(kind.joints) != set(names)):
            raise DataError(f"{where}: joints are repeated, or differ from an earlier file; import the files one by one")
        if not kind.joints:
            kind.points(dict.fromkeys(names, (0, 0, 0)))
            kind.skeleton = [(names.index(first), names.index(second)) for first, second in lines if first != second]
        return kind

    def _skeleton(self, content: Item, labels: Labels) -> List[Tuple[Kind, List[str]]]:
        """Return class and joints of each skeleton. Its nodes are indices into the file's list of nodes, in any order."""
        nodes = [node["name"].label() for node in content["nodes"]]
        found = []
        for skeleton in content["skeletons"]:
            order = [node["id"].whole() for node in skeleton["nodes"]]
            lines, mirrored = _links(skeleton)
            if any(number >= len(nodes) for number in order) or {end for line in lines + mirrored for end in line} - set(order):
                raise DataError(f"{skeleton.where}: refers to a missing node")
            names = [nodes[number] for number in order]
            kind = self._declare(names, [(nodes[first], nodes[second]) for first, second in lines], labels, skeleton.where)
            pairs = {tuple(sorted(kind.joints.index(nodes[end]) for end in pair)) for pair in mirrored}
            kind.pairs = sorted(pairs) or None
            found.append((kind, names))
        return found

    def _slp(self, path: Path, labels: Labels) -> Iterator[Tuple[str, int, List[float], str]]:
        with hdf5(path) as file:
            metadata = file["metadata"].attrs
            shift = 0.0 if float(metadata.get("format_id", 0)) >= _CENTRED else -0.5
            skeletons = self._skeleton(json_text(_text(metadata["json"]), f"{path}: metadata"), labels)
            videos = [_video_name(json_text(text, f"{path}: videos_json")) for text in texts(file, "videos_json")]
            frames = table(file, "frames", ("video", "frame_idx", "instance_id_start", "instance_id_end"))
            instances = table(file, "instances", ("instance_type", "skeleton", "point_id_start", "point_id_end"))
            points = tuple(table(file, name, ("x", "y", "visible")) for name in ("points", "pred_points"))
        for frame in frames:
            where = f"{path}: frame {int(frame['frame_idx'])}"
            first, end, video = (int(frame[key]) for key in ("instance_id_start", "instance_id_end", "video"))
            if not (0 <= first <= end <= len(instances) and 0 <= video < len(videos)):
                raise DataError(f"{where}: refers to a missing instance or video; the file is damaged")
            own = instances[first:end]
            by_people = [row for row in own if row["instance_type"] == 0]
            for row in by_people or (own if self.predicted else ()):
                source = points[int(row["instance_type"] != 0)]
                start, stop, skeleton = int(row["point_id_start"]), int(row["point_id_end"]), int(row["skeleton"])
                if not (0 <= start <= stop <= len(source) and 0 <= skeleton < len(skeletons)):
                    raise DataError(f"{where}: refers to missing points or a missing skeleton; the file is damaged")
                kind, names = skeletons[skeleton]
                if stop - start != len(names):
                    raise DataError(f"{where}: has {stop - start} points for {len(names)} joints")
                rows = [_point(row["x"] + shift, row["y"] + shift, bool(row["visible"]), where) for row in source[start:stop]]
                yield videos[video], int(frame["frame_idx"]), kind.points(dict(zip(names, rows))), where
            self._note(own, by_people, labels, where)

    def _note(self, own: Sequence[object], by_people: Sequence[object], labels: Labels, where: str) -> None:
        if not by_people and len(own):
            labels.note("frames with predictions only are " + ("used" if self.predicted else "left out"), where)

    def _json(self, path: Path, labels: Labels) -> Iterator[Tuple[str, int, List[float], str]]:
        content = json_file(path)
        skeletons = self._skeleton(content, labels)
        videos = [_video_name(video) for video in content["videos"]]
        form = content.get("format_id")
        shift = 0.0 if form is None or form.number() >= _CENTRED else -0.5
        for label in content["labels"]:
            video, frame = label["video"].whole(), label["frame_idx"].whole()
            if video >= len(videos):
                raise DataError(f"{label.where}: refers to a missing video")
            own = list(label["_instances"])
            by_people = [instance for instance in own if "score" not in instance.dict()]
            self._note(own, by_people, labels, label.where)
            for instance in by_people or (own if self.predicted else ()):
                number = instance["skeleton"].whole()
                if number >= len(skeletons):
                    raise DataError(f"{instance.where}: refers to a missing skeleton")
                kind, names = skeletons[number]
                places = {}
                for key, point in instance["_points"].items():
                    order = Item(key, point.where).whole()
                    if order >= len(names):
                        raise DataError(f"{point.where}: refers to a joint that the skeleton lacks")
                    x, y = point.get("x"), point.get("y")
                    if x is not None and y is not None and x.value == x.value and y.value == y.value:  # NaN is not labelled
                        seen = point.get("visible") is None or bool(point["visible"].value)
                        places[names[order]] = _point(x.number() + shift, y.number() + shift, seen, point.where)
                yield videos[video], frame, kind.points(places), instance.where

    def _analysis(self, path: Path, labels: Labels) -> Iterator[Tuple[str, int, List[float], str]]:
        with hdf5(path) as file:
            tracks = table(file, "tracks")
            names, video = texts(file, "node_names"), _text(file["video_path"][()]) if "video_path" in file else path.stem
            lines = [(_text(first), _text(second)) for first, second in file["edge_names"][()]] if "edge_names" in file else []
        if tracks.ndim != 4 or tracks.shape[1] != 2 or tracks.shape[2] != len(names) or tracks.dtype.kind != "f":
            raise DataError(f"{path}: 'tracks' has the shape {tracks.shape}, not (tracks, 2, {len(names)} joints, frames)")
        kind = self._declare(names, [line for line in lines if set(line) <= set(names)], labels, str(path))
        labels.note("analysis files do not distinguish manual labels from predictions; all are used")
        for frame in range(tracks.shape[3]):
            for track in range(tracks.shape[0]):
                where = f"{path}: frame {frame}, track {track}"
                places = {name: _point(x, y, True, where) for name, x, y in zip(names, *tracks[track, :, :, frame])}
                if any(seen for _, _, seen in places.values()):
                    yield video, frame, kind.points(places), where

    def _csv(self, path: Path, labels: Labels) -> Iterator[Tuple[str, int, List[float], str]]:
        labels.note("analysis tables keep only one object without track per frame; the .slp file has all of them")
        video = path.name[: -len(".csv")]
        for row in named_rows(path):
            names = [key[: -len(".x")] for key in row.dict() if key.endswith(".x")]
            if not names:
                raise DataError(f"{path}: the first row must name joints, such as nose.x and nose.y")
            kind = self._declare(names, (), labels, str(path))
            places = {}
            for name in names:
                x, y = row[f"{name}.x"], row[f"{name}.y"]
                if x.value.strip().lower() not in ("", "nan") and y.value.strip().lower() not in ("", "nan"):
                    places[name] = _point(x.number(), y.number(), True, row.where)
            yield video, row["frame_idx"].whole(), kind.points(places), row.where


def _files(source: Path) -> List[Path]:
    """Return the files of the richest kind."""
    looks: Dict[str, Callable[[Path], bool]] = {
        ".slp": lambda path: begins(path, 8)[1:4] == "HDF",
        ".json": lambda path: '"skeletons"' in begins(path) and '"nodes"' in begins(path, 1 << 16),
        ".h5": _is_analysis,
        ".csv": lambda path: begins(path).startswith("track,frame_idx"),
    }
    for suffix in _SUFFIXES:
        found = [path for path in files(source, f"*{suffix}") if looks[suffix](path)]
        if found:
            return found
    return []


def _is_analysis(path: Path) -> bool:
    try:
        with hdf5(path) as file:
            return {"tracks", "node_names", "track_occupancy"} <= set(file)
    except MindpointError:
        return False


def _point(x: float, y: float, seen: bool, where: str) -> Point:
    """Return a joint: unlabelled if NaN, hidden if invisible."""
    if x != x or y != y:
        return (0, 0, 0)
    return (Item(float(x), where).number(), Item(float(y), where).number(), 2 if seen else 1)


def _links(skeleton: Item) -> Tuple[List[Tuple[int, int]], List[Tuple[int, int]]]:
    """Return the lines of a skeleton's body, and the pairs of mirrored joints: links of type 1 and 2. jsonpickle writes a type once, and
    afterwards its number among the types written so far."""
    found: Dict[int, List[Tuple[int, int]]] = {1: [], 2: []}
    written: List[int] = []
    for link in skeleton.get("links") or ():
        said = link["type"]
        if "py/reduce" in said.dict():
            written.append(said["py/reduce"][1]["py/tuple"][0].whole())
            kind = written[-1]
        else:
            number = said["py/id"].whole(1)
            kind = written[number - 1] if number <= len(written) else 1
        found.setdefault(kind, []).append((link["source"].whole(), link["target"].whole()))
    return found[1], found[2]


def _video_name(video: Item) -> str:
    backend = video.get("backend") or video
    name = backend.get("filename")
    return name.text() if name is not None else "video"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
