"""mindpoint data sigmas"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from mindpoint.contracts.action import DataAction

from mindpoint_coco.data_command.command import add_data

if TYPE_CHECKING:
    import numpy as np

    from mindpoint_coco.data_command.source import Source
    from mindpoint_coco.keypoints import Keypoints
    from mindpoint_coco.metrics.tolerance import Tolerances

DESCRIPTION = """Estimate keypoints.sigmas, the tolerances of AP, in pixels and as shares of the object's size, and print a block for the
configuration. OTHER is an annotation file of the same images by another person, or the results of a model ('mindpoint eval' writes
results.json). Results include the model's errors, so they give an upper bound."""
_FEW = 30  # an estimate from fewer pairs of a joint is rough
_APART = 1.5  # a larger ratio of plain to robust estimate suggests gross mistakes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("other", metavar="OTHER", help="a COCO annotation file of the same images, or a COCO result file")
    parser.add_argument("--out", metavar="FILE", type=Path, help="also write the block to this new YAML file")


def run(args: argparse.Namespace) -> int:
    from mindpoint.errors import ConfigError, DataError, OutputError
    from mindpoint.storage.files import write_text

    from mindpoint_coco.data_command.source import sources
    from mindpoint_coco.datasets.naming import sound
    from mindpoint_coco.metrics.tolerance import offsets, tolerances

    if args.out and args.out.exists():
        raise OutputError(f"--out {args.out}: exists; choose another name")
    found = sources(args, images=False)
    if len(found) != 1:
        raise ConfigError(f"{args.data}: has the splits {', '.join(source.name for source in found)}; choose one with --split")
    (source,) = found
    if source.keypoints is None:
        raise DataError(f"{source.origin}: has no joints, so sigmas cannot be estimated")
    if source.keypoints.classes is not None:
        raise ConfigError("keypoints.classes: sigmas need joints that all classes share; use a configuration with one class")
    truth = sound(source.content, source.origin, source.naming, source.fields)
    records, marks = _others(args.other, source, truth)
    apart, roots = offsets(truth, records, source.classes, source.keypoints)
    estimates = tolerances(apart, roots, source.keypoints, marks)
    if not estimates.pairs.any():
        raise DataError(f"{args.other}: no object matches one of {source.origin}; do both describe the same images?")
    exact = [name for name, value in zip(source.keypoints.names, estimates.robust_sigmas) if value == 0]
    if exact:
        raise DataError(f"{args.other}: has exactly the positions of {source.origin} ({', '.join(exact[:5])}); is it a copy?")
    print(_said(source, estimates, apart, marks))
    block = _block(source.keypoints, estimates, f"{source.origin} and {args.other}")
    print(f"\n{block}", end="")
    if args.out:
        write_text(args.out, block)
    return 0


def _others(path: str, source: Source, truth: dict) -> Tuple[List[dict], int]:
    """Return the other positions as result records, and the number of files, 1 or 2, that were annotated by people."""
    from mindpoint.storage.json_file import read_json

    from mindpoint_coco.metrics.result_file import check_results, read_results

    content = read_json(path, "annotation or result file")
    if isinstance(content, dict):
        return _annotated(content, path, source, truth), 2
    ids = [[record["id"] for record in source.content[kind]] for kind in ("images", "categories")]
    records = read_results(path)
    check_results(records, path, dict.fromkeys(ids[1], len(source.keypoints)), *ids)
    return records, 1


def _annotated(content: dict, path: str, source: Source, truth: dict) -> List[dict]:
    """Return annotations as result records with the ids of ``truth``. Images are matched by file name, categories by name. Joints that are
    not labelled become 0, 0, 0."""
    from mindpoint.errors import DataError

    from mindpoint_coco.data_command.source import said_by
    from mindpoint_coco.datasets.naming import sound

    named, _ = said_by(content)
    if named is not None and named.names != source.keypoints.names:
        raise DataError(f"{path}: its joints are {', '.join(named.names)}, not {', '.join(source.keypoints.names)} as in {source.origin}")
    content = sound(content, path, source.naming, source.fields)
    images, categories = _ids(content, truth, "images", "file_name"), _ids(content, truth, "categories", "name")
    records = []
    for record in content["annotations"]:
        if images[record["image_id"]] is not None and not record["iscrowd"] and record["num_keypoints"]:
            points = [value for x, y, v in zip(*[iter(record["keypoints"])] * 3) for value in ((x, y, v) if v > 0 else (0, 0, 0))]
            place = {"image_id": images[record["image_id"]], "category_id": categories[record["category_id"]]}
            records.append({**place, "bbox": record["bbox"], "keypoints": points, "score": 1.0})
    return records


def _ids(content: dict, truth: dict, kind: str, key: str) -> Dict[int, Optional[int]]:
    """Map the id of each record of ``content`` to the id of the record in ``truth`` with the same value of a key, or None."""
    known = {record[key]: record["id"] for record in truth[kind]}
    return {record["id"]: known.get(record[key]) for record in content[kind]}


def _said(source: Source, estimates: Tolerances, apart: np.ndarray, marks: int) -> str:
    import numpy as np
    from mindpoint.runtime.tables import table

    found = int((~np.isnan(apart)).any(axis=1).sum())
    of = "assuming two annotations of equal accuracy" if marks == 2 else "sigmas from a model's results are upper bounds"
    rows = [
        [name, str(int(pairs)), *(f"{value:.{digits}f}" for value, digits in zip(values, (2, 2, 4, 4)))]
        for name, pairs, *values in zip(
            source.keypoints.names, estimates.pairs, estimates.pixels, estimates.robust_pixels, estimates.sigmas, estimates.robust_sigmas
        )
    ]
    lines = [f"{found} of {len(apart)} objects have a counterpart; {of}"]
    lines.append(table(("joint", "pairs", "pixels", "robust", "sigma", "robust"), rows))
    lines.append(
        "pixels: root mean square distance to the true position; robust: from the median distance. Left and right joints are pooled."
    )
    few = [name for name, pairs in zip(source.keypoints.names, estimates.pairs) if pairs < _FEW]
    if few:
        lines.append(f"Rough estimates from fewer than {_FEW} pairs: {', '.join(few)}.")
    apart_much = estimates.sigmas > _APART * estimates.robust_sigmas
    if apart_much.any():
        names = ", ".join(name for name, much in zip(source.keypoints.names, apart_much) if much)
        lines.append(f"Some pairs are far apart, perhaps swapped sides: {names}. They hardly affect the robust sigmas in the block.")
    return "\n".join(lines)


def _block(keypoints: Keypoints, estimates: Tolerances, origin: str) -> str:
    """Return the set of joints with the robust sigmas as YAML; a joint without a pair keeps its sigma."""
    import numpy as np
    import yaml

    names = list(keypoints.names)
    sigmas = np.where(np.isnan(estimates.robust_sigmas), keypoints.sigmas, estimates.robust_sigmas)
    content = {
        "names": names,
        "skeleton": [[names[first], names[second]] for first, second in keypoints.skeleton],
        "flip_pairs": [[names[first], names[second]] for first, second in keypoints.flip_pairs],
        "sigmas": [float(f"{sigma:.3g}") for sigma in sigmas],
    }
    text = yaml.safe_dump({"keypoints": content}, default_flow_style=None, sort_keys=False, width=130, allow_unicode=True)
    comment = "".join(f"# {line}\n" for line in f"Sigmas estimated from {origin}.".splitlines())
    return comment + text


class Sigmas(DataAction):
    """estimate the joints' sigmas from a second annotation or from results"""

    description = DESCRIPTION
    examples = ("mindpoint data sigmas labels.json second-person.json --out joints.yaml",)
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
