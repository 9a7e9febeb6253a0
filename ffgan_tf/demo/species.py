"""Species of the demo data set: a family's shape, a colour scheme, and the variation from image to image."""

import dataclasses

import numpy as np

from ffgan_tf.demo.geometry import Bird, build, extent
from ffgan_tf.demo.rendering import BACKGROUNDS

BODY_COLOURS = ("red", "orange", "yellow", "green", "blue", "white", "black", "brown")
_ACCENTS = BODY_COLOURS + ("grey",)


@dataclasses.dataclass(frozen=True)
class Family:
    """A shape. Lengths are in trunk lengths; pairs such as `bill_length` are (least, most)."""

    size: str  # small | medium | large, for captions
    poses: tuple[str, ...]
    bill_shapes: tuple[str, ...]
    bill_length: tuple[float, float]
    plumpness: tuple[float, float]
    head: float
    neck: float = 0.0
    tail_length: tuple[float, float] = (0.25, 0.6)
    leg_length: float = 0.10
    tilt: tuple[float, float] = (10.0, 45.0)


FAMILIES = {
    "Finch": Family("small", ("perched", "flying"), ("cone",), (0.14, 0.17), (0.62, 0.72), 0.245),
    "Warbler": Family("small", ("perched", "flying"), ("pointed",), (0.13, 0.18), (0.52, 0.62), 0.215),
    "Flycatcher": Family(
        "small",
        ("perched", "flying"),
        ("pointed", "hooked"),
        (0.14, 0.18),
        (0.54, 0.62),
        0.23,
        tail_length=(0.4, 0.75),
        tilt=(30, 55),
    ),
    "Kingfisher": Family(
        "medium",
        ("perched", "flying"),
        ("pointed",),
        (0.42, 0.52),
        (0.58, 0.66),
        0.25,
        tail_length=(0.15, 0.25),
        tilt=(30, 50),
    ),
    "Honeyeater": Family("small", ("perched", "flying"), ("curved",), (0.36, 0.48), (0.50, 0.58), 0.19),
    "Gull": Family(
        "large",
        ("standing", "flying", "swimming"),
        ("hooked",),
        (0.18, 0.22),
        (0.50, 0.56),
        0.19,
        neck=0.05,
        tail_length=(0.22, 0.3),
        leg_length=0.24,
        tilt=(0, 10),
    ),
    "Duck": Family(
        "large",
        ("swimming", "standing"),
        ("flat",),
        (0.22, 0.27),
        (0.54, 0.60),
        0.18,
        neck=0.18,
        tail_length=(0.10, 0.18),
        leg_length=0.14,
        tilt=(0, 8),
    ),
    "Wader": Family(
        "medium",
        ("standing", "flying"),
        ("pointed", "curved"),
        (0.42, 0.60),
        (0.48, 0.56),
        0.16,
        neck=0.22,
        tail_length=(0.10, 0.18),
        leg_length=0.55,
        tilt=(5, 20),
    ),
}


@dataclasses.dataclass(frozen=True)
class Species:
    """One class: the common properties of its birds."""

    class_id: int  # from 1
    name: str  # "Black_winged_Yellow_Finch"
    split: str  # train | test
    family: str
    body: str
    wing: str
    crown: str
    tail: str
    bill: str
    legs: str
    throat: str | None
    eyering: bool
    wingbars: bool
    crest: bool
    bill_shape: str
    bill_length: float
    plumpness: float
    tail_shape: str
    tail_length: float

    @property
    def folder(self) -> str:
        """CUB's class name: `007.Black_winged_Yellow_Finch`."""
        return f"{self.class_id:03d}.{self.name}"


def _species(rng: np.random.Generator, class_id: int, split: str, family_name: str, body: str, wing: str) -> Species:
    family = FAMILIES[family_name]
    pick = lambda values: values[int(rng.integers(len(values)))]
    between = lambda span: round(float(rng.uniform(*span)), 3)
    crown = body if rng.random() < 0.35 else wing if rng.random() < 0.4 else pick(_ACCENTS)
    tail = body if rng.random() < 0.4 else wing if rng.random() < 0.5 else pick(_ACCENTS)
    throat = pick([c for c in _ACCENTS if c != body]) if rng.random() < 0.25 else None
    name = f"{wing}_winged_{body}_{family_name}".title().replace("_Winged_", "_winged_")
    return Species(
        class_id,
        name,
        split,
        family_name,
        body,
        wing,
        crown,
        tail=tail,
        bill=pick([c for c in ("black", "grey", "orange", "yellow", "red") if c not in (body, crown)]),
        legs=pick([c for c in ("black", "grey", "orange", "pink") if c != body]),
        throat=throat,
        eyering=bool(rng.random() < 0.3) and "white" not in (body, crown),
        wingbars=bool(rng.random() < 0.3) and wing not in ("white", "grey", "yellow"),
        crest=bool(rng.random() < 0.2) and family.neck == 0,
        bill_shape=pick(family.bill_shapes),
        bill_length=between(family.bill_length),
        plumpness=between(family.plumpness),
        tail_shape=pick(("square", "forked", "pointed")),
        tail_length=between(family.tail_length),
    )


def choose_species(seed: int, train_classes: int, test_classes: int) -> list[Species]:
    """→ species by class id, the test classes scattered among the training classes as in CUB.

    Each split cycles through the body colours, so eight classes show all eight. No training class has the body and
    wing colours of a test class, in either order: with the reverse pair in training, a model that looks at colours
    alone would learn to name the wings' colour.
    """
    rng = np.random.default_rng([seed, 1])
    splits = np.array(["train"] * train_classes + ["test"] * test_classes)
    rng.shuffle(splits)
    ring = [str(c) for c in rng.permutation(BODY_COLOURS)]
    pairs: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
    for k, body in enumerate(ring):  # neighbours on the ring are test pairs; wing = body is left out
        pairs["test"][body] = [ring[(k + 1) % len(ring)], ring[k - 1]]
        others = [c for c in _ACCENTS if c != body and c not in pairs["test"][body]]
        pairs["train"][body] = [str(c) for c in rng.permutation(others)]
    turn = {"train": 0, "test": 0}
    order = {split: [str(c) for c in rng.permutation(BODY_COLOURS)] for split in turn}
    families = {split: [str(f) for f in rng.permutation(list(FAMILIES))] for split in turn}
    species = []
    for class_id, split in enumerate(map(str, splits), start=1):
        k, round_ = turn[split], turn[split] // len(BODY_COLOURS)
        body = order[split][k % len(BODY_COLOURS)]
        wings = pairs[split][body]
        family = families[split][
            (k + round_) % len(families[split])
        ]  # shifted, so that a colour is not tied to one shape
        species.append(_species(rng, class_id, split, family, body, wings[round_ % len(wings)]))
        turn[split] += 1
    return species


@dataclasses.dataclass(frozen=True)
class Scene:
    """One image of a species: all random parameters of `render`."""

    bird: Bird
    width: int
    height: int
    background: str
    scale: float  # pixels per trunk length
    centre: tuple[float, float]  # of the bird's extent, pixels
    mirrored: bool  # faces left
    seed: tuple[int, ...]


def choose_scene(species: Species, seed: tuple[int, ...]) -> Scene:
    """Draws pose, size, position and background of one image from `seed`."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[species.family]
    weights = np.array([2.0 if pose != "flying" else 1.0 for pose in family.poses])
    pose = str(rng.choice(family.poses, p=weights / weights.sum()))
    shared = {field.name for field in dataclasses.fields(Bird)} & {field.name for field in dataclasses.fields(Species)}
    bird = Bird(
        **{name: getattr(species, name) for name in shared},
        head=family.head,
        neck=family.neck,
        leg_length=family.leg_length,
        pose=pose,
        tilt=round(
            float(
                rng.uniform(-8, 12)
                if pose == "flying"
                else rng.uniform(0, 5)
                if pose == "swimming"
                else rng.uniform(*family.tilt)
            ),
            1,
        ),
        wing_lift=round(float(rng.uniform(70, 115)), 1),
    )
    long_side = int(rng.integers(230, 321))
    short_side = int(rng.integers(180, min(long_side, 240) + 1))
    width, height = (long_side, short_side) if rng.random() < 0.7 else (short_side, long_side)
    parts, anchors = build(bird)
    low, high = extent(parts, anchors["waterline"])
    across, tall = high - low
    share = rng.uniform(0.55, 0.86)  # of the image's width or height, whichever limits the bird's size
    scale = float(share * min(width / across, height / tall))
    room_x, room_y = width - across * scale - 8, height - tall * scale - 8
    centre = (width / 2 + float(rng.uniform(-0.5, 0.5)) * room_x, height / 2 + float(rng.uniform(-0.5, 0.5)) * room_y)
    if pose == "swimming":
        background = "water"
    elif pose == "flying":
        background = str(rng.choice(["sky", "sky", "dusk", "foliage", "water"]))
    else:
        background = str(rng.choice([kind for kind in BACKGROUNDS if kind != "water"]))
    return Scene(
        bird,
        width,
        height,
        background,
        round(scale, 2),
        (round(centre[0], 1), round(centre[1], 1)),
        bool(rng.random() < 0.5),
        seed + (1,),
    )
