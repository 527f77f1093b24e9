"""JSON for people: what fits into a line stands in one."""

import json

WIDTH = 120


def dumps(value):
    return _text(value, 0, 0) + "\n"


def _text(value, indent, before):
    """`before` is what stands in the line already."""
    line = json.dumps(value, ensure_ascii=False)
    if before + len(line) < WIDTH or not isinstance(value, (dict, list)) or not value:
        return line
    inner, close = " " * (indent + 2), "\n" + " " * indent
    if isinstance(value, list):
        return "[" + _wrapped(value, inner, indent) + close + "]"
    entries = []
    for key, entry in value.items():
        label = inner + json.dumps(key, ensure_ascii=False) + ": "
        entries.append(label + _text(entry, indent + 2, len(label)))
    return "{\n" + ",\n".join(entries) + close + "}"


def _wrapped(values, inner, indent):
    """Words fill lines; anything else has one of its own."""
    if not all(isinstance(value, str) for value in values):
        return ",".join("\n" + inner + _text(value, indent + 2, len(inner)) for value in values)
    lines = [inner]
    for place, value in enumerate(values):
        word = json.dumps(value, ensure_ascii=False) + ("," if place + 1 < len(values) else "")
        if lines[-1].strip() and len(lines[-1]) + len(word) + 1 > WIDTH:
            lines.append(inner)
        lines[-1] += word if not lines[-1].strip() else " " + word
    return "\n" + "\n".join(lines)
