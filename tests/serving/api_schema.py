"""The part of JSON Schema that the API's description uses, as a checker of values."""

KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}


def complaints(value, schema, document, where="$"):
    """What of the value is not as the schema says, as a list of sentences."""
    if "$ref" in schema:
        target = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return complaints(value, target, document, where)
    kind = schema["type"]
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind in ("integer", "number")):
        return [f"{where}: {value!r} is no {kind}"]
    found = []
    size = len(value) if kind in ("string", "array") else 0
    for name, wrong in {
        "minimum": lambda bound: value < bound,
        "maximum": lambda bound: value > bound,
        "minLength": lambda bound: size < bound,
        "maxLength": lambda bound: size > bound,
        "minItems": lambda bound: size < bound,
        "maxItems": lambda bound: size > bound,
        "enum": lambda allowed: value not in allowed,
    }.items():
        if name in schema and wrong(schema[name]):
            found.append(f"{where}: {value!r} against {name} {schema[name]!r}")
    if kind == "array":
        for i, item in enumerate(value):
            found += complaints(item, schema["items"], document, f"{where}[{i}]")
    if kind == "object":
        properties = schema.get("properties", {})
        found += [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, item in value.items():
            if name in properties:
                found += complaints(item, properties[name], document, f"{where}.{name}")
            elif not schema.get("additionalProperties", True):
                found.append(f"{where}: {name} is unknown")
    return found
