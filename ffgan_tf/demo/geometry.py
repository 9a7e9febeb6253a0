"""The shape of one bird of the demo data set, as polygons of smooth curves.

A bird is built in its own frame: x forward, y up, the length of the trunk is 1, it faces right.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

PALETTE = {  # sRGB of the named colours
    "red": (205, 28, 36),
    "orange": (242, 122, 18),
    "yellow": (246, 216, 40),
    "green": (44, 150, 58),
    "blue": (32, 84, 208),
    "white": (243, 243, 240),
    "black": (26, 26, 30),
    "brown": (116, 72, 38),
    "grey": (142, 143, 148),
    "pink": (226, 140, 150),
}


@dataclasses.dataclass(frozen=True)
class Bird:
    """The parameters of a drawing. Colours are names in PALETTE, lengths in trunk lengths, angles in degrees."""

    body: str
    wing: str
    crown: str
    tail: str
    bill: str
    legs: str
    throat: str | None  # None: no patch
    eyering: bool
    wingbars: bool
    crest: bool
    bill_shape: str  # pointed | cone | hooked | curved | flat
    bill_length: float
    plumpness: float  # height of the trunk
    head: float  # radius
    neck: float
    tail_shape: str  # square | forked | pointed
    tail_length: float
    leg_length: float
    pose: str  # perched | standing | swimming | flying
    tilt: float  # of the trunk against the horizon
    wing_lift: float  # of spread wings, above the trunk


def spline(points, closed: bool = True, steps: int = 8) -> np.ndarray:
    """Catmull-Rom curve through `points` [N,2] → [≈N·steps,2]."""
    p = np.asarray(points, float)
    p = np.vstack([p[-1:], p, p[:2]]) if closed else np.vstack([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack(pieces if closed else pieces + [p[-1:]])


def circle(centre, radius: float, steps: int = 28) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return np.asarray(centre) + radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def stroke(points, start: float, end: float) -> np.ndarray:
    """Outline of a line through `points` whose width runs from `start` to `end`."""
    p = np.asarray(points, float)
    d = np.gradient(p, axis=0)
    normal = np.stack([-d[:, 1], d[:, 0]], 1) / np.maximum(np.hypot(*d.T), 1e-9)[:, None]
    half = np.linspace(start, end, len(p))[:, None] / 2
    return np.vstack([p + normal * half, (p - normal * half)[::-1]])


def rotate(points, degrees: float, about=(0.0, 0.0)) -> np.ndarray:
    r = np.radians(degrees)
    turn = np.array([[np.cos(r), np.sin(r)], [-np.sin(r), np.cos(r)]])
    return (np.asarray(points, float) - about) @ turn + about


def _tail(bird: Bird, spread: float) -> list[np.ndarray]:
    length, w = bird.tail_length, 0.09 * spread
    x = -0.42 - length
    if bird.tail_shape == "forked":
        end = [(x - 0.04, 2.2 * w), (x + 0.35 * length, 0.0), (x - 0.04, -2.2 * w)]
    elif bird.tail_shape == "pointed":
        end = [(x + 0.3 * length, 1.2 * w), (x - 0.05, 0.0), (x + 0.3 * length, -1.2 * w)]
    else:
        end = [(x, 1.7 * w), (x - 0.02, 0.0), (x, -1.7 * w)]
    return [np.array([(-0.3, 0.09), *end, (-0.3, -0.09)])]


def _folded_wing(bird: Bird) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """→ the wing, its feather lines, its bars."""
    p = bird.plumpness
    top, low = 0.40 * p, -0.02 * p
    outline = spline(
        [
            (0.14, 0.14 * p),
            (0.06, 0.34 * p),
            (-0.18, top),
            (-0.44, 0.24 * p),
            (-0.64, 0.04),
            (-0.40, low),
            (-0.12, low - 0.05 * p),
            (0.08, low + 0.02 * p),
        ]
    )
    feathers = [
        stroke(
            spline(
                [
                    (0.0 - 0.06 * k, (0.17 - 0.06 * k) * p),
                    (-0.3, (0.18 - 0.07 * k) * p),
                    (-0.56, (0.09 - 0.01 * k) * p),
                ],
                False,
            ),
            0.016,
            0.01,
        )
        for k in range(3)
    ]
    bars = [
        stroke(spline([(x, 0.31 * p), (x - 0.05, 0.14 * p), (x - 0.02, -0.02 * p)], False), 0.05, 0.05)
        for x in (0.03, -0.14)
    ]
    return outline, feathers, bars


def _spread_wing(bird: Bird, lift: float, lean: float, reach: float) -> tuple[np.ndarray, list, list]:
    """A wing held up from the shoulder, its primaries as scallops. → the wing, its feather lines, its bars."""
    f = np.linspace(0, 1, 13)[:, None]
    tip, pull, rear = np.array([[-0.24, 1.10], [-0.40, 0.45], [-0.30, 0.05]])
    trailing = tip * (1 - f) ** 2 + 2 * pull * f * (1 - f) + rear * f**2
    trailing[1:-1:2] += (0.05, 0.02)  # the notches between the feathers
    front = spline([(0.20, 0.0), (0.24, 0.26), (0.20, 0.56), (0.02, 0.88), (-0.24, 1.10)], False)
    root_edge = spline([(-0.30, 0.05), (-0.16, -0.07), (0.06, -0.10), (0.20, 0.0)], False)
    outline = np.vstack([front, trailing, root_edge]) * (0.78, reach)
    feathers = [
        stroke([(0.07 - 0.02 * k, (0.60 - 0.15 * k) * reach), (0.78 * x, y * reach)], 0.018, 0.01)
        for k, (x, y) in enumerate(trailing[3:10:2] + (0.03, 0.0))
    ]
    bars = [stroke(spline([(0.13, 0.34 * reach), (0.02, 0.32 * reach), (-0.13, 0.24 * reach)], False), 0.06, 0.05)]
    root = (0.03, 0.26 * bird.plumpness)
    parts = [rotate(part, lift + lean - 90) + root for part in (outline, *feathers, *bars)]
    return parts[0], parts[1 : 1 + len(feathers)], parts[1 + len(feathers) :]


def _bill(bird: Bird, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """→ the bill and the line between its halves."""
    r, n = bird.head, bird.bill_length
    base = 0.62 * r if bird.bill_shape == "cone" else 0.40 * r
    x0, x1 = 0.80 * r, r + n
    mid = 0.5 * (x0 + x1)
    tip_drop = {"pointed": 0.02, "cone": 0.04, "hooked": 0.3 * r, "curved": 0.42 * n, "flat": 0.03}[bird.bill_shape]
    if bird.bill_shape == "hooked":
        points = [
            (x0, base),
            (mid, base * 0.95),
            (x1, 0.1 * base),
            (x1 - 0.02, -tip_drop - 0.3 * base),
            (x1 - 0.10 * r - 0.02, -0.5 * base),
            (x0, -0.8 * base),
        ]
    elif bird.bill_shape == "curved":
        points = spline([(x0, base * 0.8), (mid, 0.42 * base), (x1, -tip_drop), (mid, -0.35 * base), (x0, -base * 0.7)])
    elif bird.bill_shape == "flat":
        points = [
            (x0, base * 1.1),
            (mid, 0.35 * base),
            (x1 - 0.03, 0.45 * base),
            (x1, 0.0),
            (x1 - 0.04, -0.5 * base),
            (x0, -base * 0.9),
        ]
    else:
        points = [(x0, base), (x1, -tip_drop), (x0, -base)]
    middle = spline([(x0, 0.0), (mid, -0.03 * r), (x0 + 0.92 * (x1 - x0), -0.85 * tip_drop)], False)
    down = (0.0, -0.10 * r)
    return np.asarray(points) + head + down, stroke(middle, 0.014, 0.008) + head + down


def _trunk(bird: Bird) -> tuple[list[np.ndarray], np.ndarray]:
    """→ the tilted trunk, the upright neck and head, and the head's centre."""
    p, r, flying = bird.plumpness, bird.head, bird.pose == "flying"
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    egg = np.stack([0.5 * np.cos(angle), 0.5 * p * np.sin(angle) * (1 + 0.22 * np.cos(angle))], 1)
    chest = rotate([(0.26, 0.06 * p)], bird.tilt)[0]
    forward = 0.46 + 0.75 * bird.neck if flying else 0.34 + 0.25 * bird.neck
    raised = 0.24 * p + 0.3 * bird.neck if flying else 0.72 * (0.62 * p + 0.55 * r + bird.neck)
    head = np.array([max(forward - 0.004 * bird.tilt, 0.2), chest[1] + raised])
    bend = 0.5 * (chest + head) + ((0.0, -0.1 * bird.neck) if flying else (0.35 * bird.neck, 0.0))
    path, along = spline([chest, bend, head], False, 8), np.linspace(0, 1, 17)
    if bird.neck < 0.15:
        radii = 0.92 * r + (0.40 * p - 0.92 * r) * (1 - along) ** 2
    else:
        radii = np.interp(along, [0, 0.35, 0.8, 1], [0.36 * p, 0.13 * p, 0.6 * r, 0.8 * r])
    neck = [circle(c, radius) for c, radius in zip(path, radii)]
    neck += [stroke([a, b], 2 * ra, 2 * rb) for a, b, ra, rb in zip(path, path[1:], radii, radii[1:])]
    return [rotate(egg, bird.tilt), *neck, circle(head, r)], head


class Part(NamedTuple):
    """The union of some polygons [N,2] in one colour."""

    polygons: list[np.ndarray]
    colour: str | tuple[int, int, int]  # a name of PALETTE, or RGB
    roundness: float  # 0 flat, 1 shaded like the trunk
    brightness: float = 1.0


def _shade(colour: tuple[int, int, int], factor: float, offset: int = 0) -> tuple[int, int, int]:
    """The colour multiplied by `factor`, plus `offset`."""
    red, green, blue = colour
    return int(factor * red + offset), int(factor * green + offset), int(factor * blue + offset)


def build(bird: Bird) -> tuple[list[Part], dict]:
    """→ parts from back to front, in the bird's frame; anchors: `feet` [(x, y)…] and the `waterline`'s y, or None."""
    turn = lambda shape: rotate(shape, bird.tilt)
    trunk, head = _trunk(bird)
    low = trunk[0][:, 1].min()
    parts, feet, waterline = [], [], None
    flying = bird.pose == "flying"
    if flying:
        far, feathers, bars = _spread_wing(bird, bird.wing_lift, -22, 0.56)
        parts.append(Part([turn(far)], bird.wing, 0.3, 0.80))
    if bird.pose in ("perched", "standing"):
        for k, x in enumerate((0.10, -0.06)):
            hip = turn([(x, -0.36 * bird.plumpness)])[0]
            foot = np.array([hip[0] + 0.05 - 0.03 * k, low - bird.leg_length])
            knee = 0.5 * (hip + foot) + (-0.05 * min(1.0, 3 * bird.leg_length), 0.0)
            toes = [stroke([foot, foot + d], 0.04, 0.02) for d in ((0.10, -0.015), (-0.07, -0.015))]
            parts.append(Part([stroke([hip, knee, foot], 0.05, 0.035), *toes], bird.legs, 0.2, 0.8 if k else 1.0))
            feet.append(foot)
    elif bird.pose == "swimming":
        waterline = -0.30 * bird.plumpness
    tail = [turn(rotate(t, -8 if not flying else 0, (-0.4, 0))) for t in _tail(bird, 1.3 if flying else 1.0)]
    parts.append(Part(tail, bird.tail, 0.4))
    if bird.crest:
        crest = spline(
            [
                head + (0.45 * bird.head, 0.75 * bird.head),
                head + (-0.3 * bird.head, 1.25 * bird.head),
                head + (-1.65 * bird.head, 1.35 * bird.head),
                head + (-0.95 * bird.head, 0.2 * bird.head),
            ]
        )
        parts.append(Part([crest], bird.crown, 0.4))
    parts.append(Part(trunk, bird.body, 1.0))
    if bird.throat:
        t = np.radians(np.linspace(-150, -15, 20))
        patch = np.stack([np.cos(t), np.sin(t)], 1) * bird.head * 0.98
        patch = np.vstack([patch, np.array([(0.62, -0.22), (-0.35, -0.35)]) * bird.head])
        parts.append(Part([patch + head], bird.throat, 0.3))
    t = np.radians(np.linspace(18, 196, 24))
    cap = np.stack([np.cos(t), np.sin(t)], 1) * bird.head * 1.02
    cap = np.vstack(
        [
            cap,
            spline(
                [
                    (-0.98 * bird.head, -0.25 * bird.head),
                    (0.1 * bird.head, 0.34 * bird.head),
                    (0.98 * bird.head, 0.24 * bird.head),
                ],
                False,
            ),
        ]
    )
    parts.append(Part([cap + head], bird.crown, 0.5))
    if flying:
        wing, feathers, bars = _spread_wing(bird, bird.wing_lift, 14, 0.62)
    else:
        wing, feathers, bars = _folded_wing(bird)
    parts.append(Part([turn(wing)], bird.wing, 0.8))
    line = _shade(PALETTE[bird.wing], 0.62, 12)
    parts.append(Part([turn(f) for f in feathers], line, 0.0))
    if bird.wingbars:
        parts.append(Part([turn(b) for b in bars], "white", 0.2))
    bill, middle = _bill(bird, head)
    parts.append(Part([bill], bird.bill, 0.5))
    parts.append(Part([middle], _shade(PALETTE[bird.bill], 0.55), 0.0))
    eye = head + (0.30 * bird.head, 0.14 * bird.head)
    if bird.eyering:
        parts.append(Part([circle(eye, 0.36 * bird.head)], "white", 0.0))
    elif bird.crown == "black" or bird.body == "black":  # a black eye on black would be invisible
        parts.append(Part([circle(eye, 0.27 * bird.head)], (150, 105, 45), 0.0))
    parts.append(Part([circle(eye, 0.22 * bird.head)], (14, 12, 12), 0.0))
    parts.append(Part([circle(eye + (0.07 * bird.head, 0.08 * bird.head), 0.07 * bird.head)], (250, 250, 250), 0.0))
    return parts, {"feet": feet, "waterline": waterline}


def extent(parts: list[Part], waterline: float | None) -> np.ndarray:
    """[[x0, y0], [x1, y1]]: the extent of the visible bird, in its own frame."""
    points = np.vstack([polygon for part in parts for polygon in part.polygons])
    low, high = points.min(0), points.max(0)
    if waterline is not None:
        low[1] = max(low[1], waterline)
    return np.stack([low, high])
