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
    """The drawing of what each name requires; circles are drawn, too, and no line that follows from others."""
    depth = _depths(requires)
    requires = _reduced(requires, depth)
    columns: dict[int, list[str]] = {}
    for name in sorted(requires):
        columns.setdefault(depth[name], []).append(name)
    highest = max(map(len, columns.values()), default=0)
    boxes = {
        name: Box(name, column * (box + GAP_X), (2 * row + highest - len(names)) * (HEIGHT + GAP_Y) // 2)
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


def _reduced(requires: Mapping[str, Sequence[str]], depth: Mapping[str, int]) -> dict[str, list[str]]:
    """What each name requires, without what one of the others that it requires leads to."""
    onward = {name: [one for one in requires[name] if depth.get(one, 0) > depth[name]] for name in requires}
    led_to: dict[str, set[str]] = {}
    for name in sorted(requires, key=depth.__getitem__, reverse=True):
        led_to[name] = set(onward[name]).union(*(led_to[one] for one in onward[name]))
    return {
        name: [one for one in others if not any(one in led_to[via] for via in onward[name])]
        for name, others in requires.items()
    }


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
