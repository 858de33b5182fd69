"""Sizes as areas: a squarified treemap (Bruls, Huizing, van Wijk 2000)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct


class Tile(Struct, frozen=True):
    """A rectangle that stands for a size; all in the units of the whole."""

    name: str
    size: int
    x: float
    y: float
    width: float
    height: float


def treemap(sizes: Sequence[tuple[str, int]], width: float, height: float) -> list[Tile]:
    """Tiles that fill the rectangle, each as large as its size's share, the largest first."""
    ordered = sorted(((name, size) for name, size in sizes if size > 0), key=lambda one: (-one[1], one[0]))
    total = sum(size for _, size in ordered)
    if not total:
        return []
    scale = width * height / total
    x = y = 0.0
    tiles: list[Tile] = []
    for row in _rows([size * scale for _, size in ordered], width, height):
        short = min(width, height)
        depth = sum(row) / short
        along = 0.0
        for area in row:
            length = area / depth
            name, size = ordered[len(tiles)]
            if width >= height:
                tiles.append(Tile(name, size, x, y + along, depth, length))
            else:
                tiles.append(Tile(name, size, x + along, y, length, depth))
            along += length
        if width >= height:
            x, width = x + depth, width - depth
        else:
            y, height = y + depth, height - depth
    return tiles


def _rows(areas: list[float], width: float, height: float) -> Iterator[list[float]]:
    """The areas in rows, each laid along the shorter side of what the rows before it left."""
    row: list[float] = []
    for area in areas:
        short = min(width, height)
        if row and _worst([*row, area], short) > _worst(row, short):
            yield row
            depth = sum(row) / short
            width, height = (width - depth, height) if width >= height else (width, height - depth)
            row = []
        row.append(area)
    yield row


def _worst(row: list[float], short: float) -> float:
    """The ratio of the sides of the row's narrowest tile."""
    total = sum(row)
    return max(short**2 * max(row) / total**2, total**2 / (short**2 * min(row)))
