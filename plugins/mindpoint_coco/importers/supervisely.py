"""Supervisely: a project with meta.json and a JSON file for each image."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, json_file, nearest
from mindpoint_coco.importers.form import Labels, Picture, Point, Thing, extent
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.tool import LabelImporter


class Supervisely(LabelImporter):
    """An importer of rectangles, polygons, lines and graphs of a project (``meta.json``, ``DATASET/ann/IMAGE.json``) or of one file.

    The joints of a graph are named by ``meta.json``, or else by their ids. Disabled joints are not
    labelled. Loose points and bitmaps are left out.
    """

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(
            '"geometryType"' in begins(path) or ('"objects"' in begins(path) and '"size"' in begins(path)) for path in _files(source)[:3]
        )

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels, found = Labels(), _files(source)
        names = _joint_names(source, labels) if found else {}
        for path in found:
            content = json_file(path)
            if "objects" not in content.dict():
                if source.is_file():
                    raise DataError(f"{path}: 'objects' is missing; name the project's folder or the file of one image")
                labels.note("JSON files without objects are skipped", str(path))
                continue
            size = content["size"]
            place = path.relative_to(source).as_posix() if source.is_dir() else path.name
            picture = Picture(
                place.replace("/ann/", "/img/")[: -len(".json")], content.where, (size["width"].whole(1), size["height"].whole(1))
            )
            for said in content["objects"]:
                thing = self._thing(said, names, labels)
                if thing is not None:
                    picture.things.append(thing)
            labels.pictures.append(picture)
        return labels

    def _thing(self, said: Item, names: Dict[str, str], labels: Labels) -> Optional[Thing]:
        shape, thing = said["geometryType"].text(), Thing(said["classTitle"].label(), said.where)
        kind = labels.kind(thing.kind)
        if shape in ("graph", "keypoints"):
            thing.points = kind.points({names.get(key, key): _joint(node) for key, node in said["nodes"].items()})
        elif shape in ("rectangle", "polygon", "line"):
            places = [place.numbers(2) for place in said["points"]["exterior"]]
            if not places:
                raise DataError(f"{said.where}: has no positions")
            thing.box = extent([x for x, _ in places], [y for _, y in places])
        else:
            labels.note(f"objects of the shape '{shape}' are left out", said.where)
            return None
        return thing


def _files(source: Path) -> List[Path]:
    found = files(source, "ann/*.json", "*/ann/*.json", "*.json")
    inside = [path for path in found if path.parent.name == "ann"]
    return inside or [path for path in found if path.name != "meta.json"]


def _joint_names(source: Path, labels: Labels) -> Dict[str, str]:
    """Read the project's ``meta.json``. Return the names of joints by id, and add the classes with their joints and lines to ``labels``."""
    path = nearest(source if source.is_dir() else source.parent, "meta.json")
    names: Dict[str, str] = {}
    for entry in json_file(path)["classes"] if path else ():
        config = entry.get("geometry_config")
        nodes = config.get("nodes") if config is not None and config.dict() else None
        kind = labels.kind(entry["title"].label())
        if nodes is None:
            continue
        own = {key: node["label"].label() if "label" in node.dict() else key for key, node in nodes.items()}
        kind.points(dict.fromkeys(own.values(), (0, 0, 0)))
        names.update(own)
        for edge in config.get("edges") or ():
            ends = [own.get(edge[key].text()) for key in ("src", "dst")]
            if None not in ends and ends[0] != ends[1]:
                kind.skeleton.append((kind.joints.index(ends[0]), kind.joints.index(ends[1])))
    return names


def _joint(node: Item) -> Point:
    if node.get("disabled") is not None and node["disabled"].value:
        return (0, 0, 0)
    x, y = node["loc"].numbers(2)
    return (x, y, 2)
