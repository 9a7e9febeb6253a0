"""True sentences about one rendered bird. Each names the body's colour."""

import numpy as np

from ffgan_tf.demo.geometry import Bird

_BILL_SHAPES = {
    "pointed": ("pointed", "sharp"),
    "cone": ("cone shaped", "conical", "thick"),
    "hooked": ("hooked",),
    "curved": ("curved", "downward curved"),
    "flat": ("flat", "wide flat"),
}
_POSES = {
    "perched": ("perched on a branch", "sitting on a branch"),
    "standing": ("standing on the ground",),
    "swimming": ("swimming on the water", "floating on the water"),
    "flying": ("flying", "in flight"),
}
_SIZES = {"small": ("small", "little", "tiny"), "medium": ("medium sized",), "large": ("large", "big")}


def article(phrase: str) -> str:
    """`orange belly` → `an orange belly`."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def bill_words(bird: Bird) -> tuple[str, ...]:
    """The true words for the bill's length; none between 0.2 and 0.3 trunk lengths."""
    return ("short", "small") if bird.bill_length <= 0.2 else ("long",) if bird.bill_length >= 0.3 else ()


def tail_words(bird: Bird) -> tuple[str, ...]:
    return ("long",) if bird.tail_length >= 0.45 else ()


def visible_facts(bird: Bird) -> dict[str, str]:
    """Part → colour of every part, other than the body, that is visible in this pose and may be named."""
    facts = {"wing": bird.wing, "crown": bird.crown, "bill": bird.bill}
    if bird.tail_length >= 0.3:  # a folded wing hides a shorter one
        facts["tail"] = bird.tail
    if bird.pose in ("perched", "standing"):
        facts["legs"] = bird.legs
    if bird.throat:
        facts["throat"] = bird.throat
    if bird.eyering:
        facts["eyering"] = "white"
    if bird.wingbars:
        facts["wingbars"] = "white"
    if bird.crest:
        facts["crest"] = bird.crown
    return facts


def _phrase(rng: np.random.Generator, part: str, colour: str, bird: Bird) -> str:
    """`a short yellow pointed bill`, `black wings`, …"""
    pick = lambda words: str(rng.choice(words))
    if part == "body":
        noun = pick(["belly", "belly", "breast", "body", "chest", "underparts"])
        return f"{colour} {noun}" if noun == "underparts" else article(f"{colour} {noun}")
    if part == "bill":
        lengths = bill_words(bird)
        words = [pick(lengths)] if lengths and rng.random() < 0.75 else []
        words += [colour] if rng.random() < 0.6 else []
        words += [pick(_BILL_SHAPES[bird.bill_shape])] if rng.random() < 0.7 or not words else []
        return article(" ".join(words + [pick(["bill", "beak"])]))
    if part == "tail":
        lengths = tail_words(bird)
        return article(" ".join(([pick(lengths)] if lengths and rng.random() < 0.7 else []) + [colour, "tail"]))
    if part == "legs":
        return f"{colour} {pick(['legs', 'feet'])}"
    if part == "wing":
        return f"{colour} wings"
    return f"{colour} wingbars" if part == "wingbars" else article(f"{colour} {part}")


def _list(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]


def _caption(rng: np.random.Generator, bird: Bird, size: str) -> tuple[str, dict[str, str]]:
    """→ one sentence, and its claimed colours by part."""
    pick = lambda words: str(rng.choice(words))
    seen = visible_facts(bird)
    # People name wings first, the other parts in any order.
    others = [part for part in rng.permutation(list(seen)) if part != "wing"][: int(rng.integers(1, 4))]
    parts = (["wing"] if rng.random() < 0.75 else []) + [str(part) for part in others]
    claims = {"body": bird.body, **{part: seen[part] for part in parts}}
    phrases = [_phrase(rng, part, seen[part], bird) for part in parts]
    form = int(rng.integers(6))
    if form == 0:  # predicates, of parts described by colour alone
        plain = [part for part in parts if part not in ("bill", "wingbars", "eyering")]
        claims = {part: claims[part] for part in ("body", *plain)}
        nouns = {"wing": "wings are", "legs": "legs are"}
        rest = [f"the {nouns.get(part, part + ' is')} {claims[part]}" for part in plain]
        return _list([f"the {pick(['belly', 'breast', 'body'])} of this bird is {bird.body}", *rest]), claims
    if form == 1:
        start = (
            f"{article(pick(_SIZES[size]))} {bird.body} bodied bird with "
            if rng.random() < 0.5
            else (f"this bird has {article(bird.body)} body, with ")
        )
        return start + _list(phrases), claims
    index = 0 if rng.random() < 0.75 else int(rng.integers(len(phrases) + 1))
    phrases.insert(index, _phrase(rng, "body", bird.body, bird))
    start = {
        2: "this bird has",
        3: f"{article(pick(_SIZES[size]))} bird with",
        4: f"this {pick(_SIZES[size])} bird has",
        5: f"this bird is {pick(_POSES[bird.pose])} and has",
    }[form]
    return f"{start} {_list(phrases)}", claims


def captions(bird: Bird, size: str, seed, count: int = 10) -> list[tuple[str, dict[str, str]]]:
    """→ `count` different sentences on `bird`, each with its claimed colours ({"body": "yellow", "wing": …})."""
    rng = np.random.default_rng(seed)
    claims_by_text: dict[str, dict[str, str]] = {}
    while len(claims_by_text) < count:
        text, claims = _caption(rng, bird, size)
        claims_by_text.setdefault(text + ("." if rng.random() < 0.7 else ""), claims)
    return list(claims_by_text.items())
