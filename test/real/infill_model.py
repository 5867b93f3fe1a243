"""
A model with tokens for filling in the middle, for one that has none: unused ones of its vocabulary. What it fills in means
nothing; what a server does with the requests is what it does with any such model.
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import pathlib
import struct

TOKENS = {"pre": 6, "suf": 7, "mid": 8, "rep": 9, "sep": 10}
UINT32, STRING, ARRAY = 4, 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32


def value_end(data, at, kind):
    if kind == STRING:
        return at + 8 + struct.unpack_from("<Q", data, at)[0]
    if kind != ARRAY:
        return at + SIZES[kind]
    of, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if of in SIZES:
        return at + count * SIZES[of]
    for _ in range(count):
        at = value_end(data, at, of)
    return at


def with_infill(source, target):
    """Writes the model unless it is there, and returns its path."""
    target = pathlib.Path(target)
    if target.exists():
        return target
    data = pathlib.Path(source).read_bytes()
    magic, version, tensors, pairs = struct.unpack_from("<4sIQQ", data, 0)
    assert magic == b"GGUF"
    pairs_start = at = struct.calcsize("<4sIQQ")
    for _ in range(pairs):
        at = value_end(data, at, STRING)
        at = value_end(data, at + 4, struct.unpack_from("<I", data, at)[0])
    pairs_end = at
    for _ in range(tensors):
        at = value_end(data, at, STRING)
        at += 4 + 8 * struct.unpack_from("<I", data, at)[0] + 4 + 8
    infos = data[pairs_end:at]
    weights = data[at + -at % ALIGNMENT :]

    added = b""
    for name, token in TOKENS.items():
        key = f"tokenizer.ggml.fim_{name}_token_id".encode()
        added += struct.pack("<Q", len(key)) + key + struct.pack("<II", UINT32, token)
    head = struct.pack("<4sIQQ", magic, version, tensors, pairs + len(TOKENS))
    head += data[pairs_start:pairs_end] + added + infos
    part = target.with_suffix(".part")
    part.write_bytes(head + bytes(-len(head) % ALIGNMENT) + weights)
    part.rename(target)
    return target
