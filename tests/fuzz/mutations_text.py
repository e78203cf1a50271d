"""Damage to bytes and to texts: blind, of any file; of tokens and lines; of JSON.

In:  the bytes of a sound file, and a generator of random numbers.
Out: the bytes of a damaged one. The same numbers give the same mutant.
"""

import json

HUGE = (0, 1, -1, 2, 255, 2**15, 2**31 - 1, 2**31, -(2**31), 2**53, 2**62, 2**63 - 1, -(2**63))
WORDS = ("", "\x00", "é", "a" * 5000, "/", "../../x", "{0}", "%s", "\n", "none", "[", "\u202e")
FLOATS = (0.0, -0.0, -1.0, 1e-320, 1e308, float("nan"), float("inf"), float("-inf"), 0.5, 2.0)
TOKENS = ("1e999", "nan", "-inf", "-1", "9" * 5000, "0x10", "true", '""', "[]", "{}", "[" * 3000)
MOST_EDITS = 4


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


# --- Bytes ---------------------------------------------------------------------------------


def flip_bits(data, rng):
    for _ in range(rng.integers(1, 5)):
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return data


def set_bytes(data, rng):
    for _ in range(rng.integers(1, 5)):
        data[rng.integers(len(data))] = rng.integers(256)
    return data


def cut_off(data, rng):
    return data[: rng.integers(len(data))]


def _span(data, rng):
    start = int(rng.integers(len(data)))
    return start, start + int(rng.integers(1, 200))


def remove_span(data, rng):
    a, b = _span(data, rng)
    return data[:a] + data[b:]


def repeat_span(data, rng):
    a, b = _span(data, rng)
    return data[:a] + data[a:b] * int(rng.integers(2, 5)) + data[b:]


def splice(data, rng):
    a, b = _span(data, rng)
    to = int(rng.integers(len(data)))
    return data[:to] + data[a:b] + data[to + (b - a) * int(rng.integers(2)) :]


def number_in_bytes(data, rng):
    """A length field: 1 to 8 bytes become an extreme, or one more or less."""
    width = pick(rng, (1, 2, 4, 8))
    if len(data) <= width:
        return data
    at = int(rng.integers(len(data) - width))
    now = int.from_bytes(data[at : at + width], "little")
    new = pick(rng, (now + 1, now - 1, *HUGE)) % (1 << 8 * width)
    data[at : at + width] = new.to_bytes(width, "little")
    return data


BLIND = (flip_bits, set_bytes, cut_off, remove_span, repeat_span, splice, number_in_bytes)


def blind(data, rng):
    return bytes(pick(rng, BLIND)(bytearray(data), rng)) if data else data


# --- Texts and plain values ----------------------------------------------------------------


def text_edit(data, rng):
    """A token, a line or a key of a text file."""
    lines = data.decode().splitlines()
    for _ in range(rng.integers(1, MOST_EDITS)):
        at = int(rng.integers(len(lines)))
        match int(rng.integers(6)):
            case 0:
                lines.insert(at, pick(rng, lines))
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines[at] = lines[at].replace(pick(rng, '=[].",:{}0123456789'), pick(rng, WORDS))
            case 3:
                key, _, _ = lines[at].partition("=")
                lines[at] = f"{key}= {pick(rng, TOKENS)}"
            case 4:
                lines[at] = lines[at] + pick(rng, TOKENS)
            case _:
                lines[at] = pick(rng, WORDS) + lines[at]
    return "\n".join(lines).encode(errors="surrogatepass")


def odd_value(rng, old):
    """What stands where something else is expected."""
    pools = (HUGE, FLOATS, WORDS, (None, True, [], {}, [[]], 10**400, [old] * 3, {"kind": old}))
    return pick(rng, pick(rng, pools))


def _leaves(value):
    if isinstance(value, dict | list):
        return sum(_leaves(v) for v in (value.values() if isinstance(value, dict) else value))
    return 1


def edit_value(value, rng, odd=odd_value):
    """A tree of dicts and lists with leaves, keys or entries changed; `odd` makes new leaves."""
    for _ in range(rng.integers(1, MOST_EDITS)):
        at = value
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = pick(rng, keys)
            if at is value and rng.random() < 0.7:  # where most of it stands
                key = max(keys, key=lambda k: _leaves(at[k]))
            inner = isinstance(at[key], dict | list) and len(at[key]) > 0
            if inner and rng.random() < 0.85:
                at = at[key]
                continue
            match int(rng.integers(5)):
                case 0:
                    del at[key]
                case 1 if isinstance(at, dict):
                    at[pick(rng, (*WORDS, *keys))] = at.pop(key)
                case 1:
                    at.append(at[key])
                case _:
                    at[key] = odd(rng, at[key])
            break
    return value


def json_edit(data, rng):
    return json.dumps(edit_value(json.loads(data), rng)).encode()
