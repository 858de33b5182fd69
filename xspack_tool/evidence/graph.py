"""Which package requires which, as a drawing: layers from the pack down to what requires nothing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

WIDTH, HEIGHT, GAP_X, GAP_Y = 220, 30, 50, 14


class Box(Struct, frozen=True):
    """A package, with its upper left corner in pixels."""

    name: str
    x: int
    y: int


class Drawing(Struct, frozen=True):
    """Boxes, each ``box`` wide, and lines between the right side of one and the left side of another."""

    width: int
    height: int
    box: int
    boxes: tuple[Box, ...]
    lines: tuple[tuple[int, int, int, int], ...]


def draw(requires: Mapping[str, Sequence[str]], box: int = WIDTH) -> Drawing:
    """The drawing of what each name requires; circles are drawn, too."""
    depth = _depths(requires)
    columns: dict[int, list[str]] = {}
    for name in sorted(requires):
        columns.setdefault(depth[name], []).append(name)
    boxes = {
        name: Box(name, column * (box + GAP_X), row * (HEIGHT + GAP_Y))
        for column, names in columns.items()
        for row, name in enumerate(names)
    }
    lines = [
        (boxes[name].x + box, boxes[name].y + HEIGHT // 2, boxes[other].x, boxes[other].y + HEIGHT // 2)
        for name in sorted(requires)
        for other in sorted(requires[name])
        if other in boxes
    ]
    return Drawing(
        width=max((one.x + box for one in boxes.values()), default=0),
        height=max((one.y + HEIGHT for one in boxes.values()), default=0),
        box=box,
        boxes=tuple(boxes.values()),
        lines=tuple(lines),
    )


def _depths(requires: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The column of each name: one behind the last of those that require it; what closes a circle is left out."""
    order: list[str] = []
    seen: set[str] = set()
    for start in sorted(requires):
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(sorted(requires[start])))]
        while stack:
            name, others = stack[-1]
            following = next((one for one in others if one in requires and one not in seen), None)
            if following is None:
                order.append(stack.pop()[0])
                continue
            seen.add(following)
            stack.append((following, iter(sorted(requires[following]))))
    place = {name: number for number, name in enumerate(reversed(order))}
    depths = dict.fromkeys(place, 0)
    for name in place:
        for other in requires[name]:
            if place.get(other, 0) > place[name]:
                depths[other] = max(depths[other], depths[name] + 1)
    return depths
