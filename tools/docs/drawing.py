"""Draw the pages' flowcharts (Mermaid's ``a -- label --> b``) as SVG, so that a page does not need a script from another site."""

from __future__ import annotations

import re
from html import escape
from typing import Dict, List, NamedTuple, Sequence, Tuple

LETTER, HEIGHT, GAP, RANK_GAP = 8, 30, 26, 34  # in pixels: width of a letter, height of a box, space within and between rows
SWEEPS = 24


class Edge(NamedTuple):
    start: str
    label: str
    end: str


class Box(NamedTuple):
    x: float
    y: float
    width: float


def parse(text: str) -> Tuple[str, List[Edge]]:
    """Return the direction (``BT`` or ``LR``) and the edges of a flowchart. Raises ValueError for anything else."""
    first, *lines = text.strip().splitlines()
    direction = first.rpartition(" ")[2]
    if first not in ("graph BT", "graph LR"):
        raise ValueError(f"'{first}': only 'graph BT' and 'graph LR' can be drawn")
    edges = []
    for line in lines:
        *steps, last = [step.strip() for step in line.split("-->")]
        parts = [[part.strip() for part in step.split(" -- ")] for step in steps] + [[last]]
        if not steps or not all(re.fullmatch(r"\w+", part[0]) for part in parts):
            raise ValueError(f"'{line.strip()}': a line must be like 'a -- label --> b'")
        edges += [Edge(part[0], "".join(part[1:]), after[0]) for part, after in zip(parts, parts[1:])]
    return direction, edges


def ranks(edges: Sequence[Edge]) -> Dict[str, int]:
    """Return the length of the longest path from each node along the arrows. Raises ValueError if the arrows form a circle."""
    after: Dict[str, List[str]] = {}
    for start, _, end in edges:
        after.setdefault(start, []).append(end)
        after.setdefault(end, [])
    found: Dict[str, int] = {}

    def rank(node: str, passed: Tuple[str, ...] = ()) -> int:
        if node in passed:
            raise ValueError(f"the arrows form a circle: {', '.join(passed)}")
        if node not in found:
            found[node] = max((rank(end, (*passed, node)) + 1 for end in after[node]), default=0)
        return found[node]

    for node in after:
        rank(node)
    return found


def svg(text: str) -> str:
    """Return the drawing of a flowchart. Its colours are those of the page."""
    direction, edges = parse(text)
    rank = ranks(edges)
    upwards = direction == "BT"
    chains = [_chain(edge, rank) for edge in edges]
    size = {node: LETTER * len(node) + 20 for node in rank}
    extent = {node: size.get(node, 0) if upwards else 2 * HEIGHT for chain in chains for node in chain}
    place = _places(chains, rank, extent)
    depth = _depths(edges, rank, size, upwards)
    across = max(place[node] + extent[node] / 2 for node in rank) + GAP
    boxes = {
        node: Box(x, y, size.get(node, 0))
        for node in place
        for x, y in [(place[node], depth[_rank(node, rank)]) if upwards else (depth[_rank(node, rank)], place[node])]
    }
    along = max(depth.values()) + (HEIGHT if upwards else max(size.values())) / 2 + GAP
    width, height = (across, along) if upwards else (along, across)
    drawn = [_arrow(edge, [boxes[node] for node in chain], upwards) for edge, chain in zip(edges, chains)]
    drawn += [_node(node, boxes[node]) for node in rank]
    tip = '<path d="M0 0L8 4L0 8z"/>'
    marker = f'<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">{tip}</marker>'
    return (
        f'<svg class="flowchart" viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px" role="img"'
        f' xmlns="http://www.w3.org/2000/svg"><defs>{marker}</defs>{"".join(drawn)}</svg>'
    )


def _chain(edge: Edge, rank: Dict[str, int]) -> List[str]:
    """Return the nodes that an arrow passes: its two ends, and a point in each row between them."""
    between = [f"{edge.start}>{edge.end}@{row}" for row in range(rank[edge.start] - 1, rank[edge.end], -1)]
    return [edge.start, *between, edge.end]


def _rank(node: str, rank: Dict[str, int]) -> int:
    return rank[node] if node in rank else int(node.rpartition("@")[2])


def _places(chains: Sequence[Sequence[str]], rank: Dict[str, int], extent: Dict[str, int]) -> Dict[str, float]:
    """Return the position of each node's centre in its row: near the mean of its neighbours, without overlap in the row."""
    near: Dict[str, List[str]] = {}
    for chain in chains:
        for one, other in zip(chain, chain[1:]):
            near.setdefault(one, []).append(other)
            near.setdefault(other, []).append(one)
    rows: Dict[int, List[str]] = {}
    for node in sorted(near):
        rows.setdefault(_rank(node, rank), []).append(node)
    place = {node: 100.0 * index for row in rows.values() for index, node in enumerate(row)}
    for sweep in range(SWEEPS):
        for number in sorted(rows, reverse=sweep % 2 == 1):
            wanted = {node: sum(place[other] for other in near[node]) / len(near[node]) for node in rows[number]}
            place.update(_apart(wanted, extent))
    left = min(place[node] - extent[node] / 2 for node in place)
    return {node: x - left + GAP for node, x in place.items()}


def _apart(wanted: Dict[str, float], extent: Dict[str, int]) -> Dict[str, float]:
    """Return positions in the order of the ``wanted`` ones, moved just enough that nodes do not overlap."""
    order = sorted(wanted, key=lambda node: (wanted[node], node))
    spaces = [0.0]
    for one, other in zip(order, order[1:]):
        spaces.append(spaces[-1] + (extent[one] + extent[other]) / 2 + GAP)
    blocks: List[Tuple[float, int]] = []  # the mean offset of neighbours that touch, and their number
    for node, space in zip(order, spaces):
        blocks.append((wanted[node] - space, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (mean, count), (before, number) = blocks.pop(), blocks.pop()
            blocks.append(((mean * count + before * number) / (count + number), count + number))
    offsets = [mean for mean, count in blocks for _ in range(count)]
    return {node: offset + space for node, offset, space in zip(order, offsets, spaces)}


def _depths(edges: Sequence[Edge], rank: Dict[str, int], size: Dict[str, int], upwards: bool) -> Dict[int, float]:
    """Return the position of each row along the direction of the arrows; with ``upwards`` (``BT``), the arrows end at the top."""
    rows = range(max(rank.values()) + 1)
    if upwards:
        return {row: GAP + HEIGHT / 2 + row * (HEIGHT + RANK_GAP) for row in rows}
    wide = {row: max(size[node] for node in rank if rank[node] == row) for row in rows}
    at, found = GAP, {}
    for row in reversed(rows):
        found[row] = at + wide[row] / 2
        labels = [LETTER * len(edge.label) for edge in edges if rank[edge.start] == row]
        at += wide[row] + RANK_GAP + max(labels, default=0)
    return found


def _arrow(edge: Edge, boxes: Sequence[Box], upwards: bool) -> str:
    first, last = boxes[0], boxes[-1]
    if upwards:
        points = [(first.x, first.y - HEIGHT / 2), *((box.x, box.y) for box in boxes[1:-1]), (last.x, last.y + HEIGHT / 2)]
    else:
        points = [(first.x + first.width / 2, first.y), *((box.x, box.y) for box in boxes[1:-1]), (last.x - last.width / 2, last.y)]
    path = "M{:.0f} {:.0f}".format(*points[0])
    for (x, y), (to_x, to_y) in zip(points, points[1:]):
        bends = ((x, (y + to_y) / 2), (to_x, (y + to_y) / 2)) if upwards else (((x + to_x) / 2, y), ((x + to_x) / 2, to_y))
        path += "C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}".format(*bends[0], *bends[1], to_x, to_y)
    (x, y), (to_x, to_y) = points[:2]
    label = f'<text x="{(x + to_x) / 2:.0f}" y="{(y + to_y) / 2 - 6:.0f}">{escape(edge.label)}</text>' if edge.label else ""
    return f'<path d="{path}" marker-end="url(#tip)"/>{label}'


def _node(name: str, box: Box) -> str:
    left, top = box.x - box.width / 2, box.y - HEIGHT / 2
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{box.width:.0f}" height="{HEIGHT}" rx="4"/>'
        f'<text x="{box.x:.0f}" y="{box.y + 4:.0f}">{escape(name)}</text>'
    )
