"""The formats' hot loops, compiled by numba; the plain ways beside them say what they mean.

All in one module: numba's cache doesn't see that a function of another module has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import uint64

from gtahead.compiling import compiled
from gtahead.formats.coco_reading import HAS_AREA, HAS_ISCROWD, NO_ID
from gtahead.formats.textrows import DIGITS, Bytes, Ints
from gtahead.geometry import Floats

Flags = npt.NDArray[np.int8]

Whole = Any
"""numba's uint64 or int64: places count without a sign, so that no index wraps around."""

_PAIRS = np.frombuffer("".join(f"{n:02d}" for n in range(100)).encode(), np.uint8).copy()
_POWERS = np.array([10**n for n in range(10)], np.uint64)
_ZERO, _MINUS, _DOT = 48, 45, 46

ROWS_AT_ONCE = 20_000
"""Of COCO, so that a buffer stays in the processor's cache."""

BUFFER_BYTES = 32_000_000
"""Of rows in general: a batch's, with few exceptions."""


@compiled
def put_whole(out: Bytes, place: Whole, number: Whole) -> Whole:
    """Write a number that isn't negative; give the place behind it."""
    length: Whole = uint64(1)
    for power in range(1, 8):  # comparisons are much cheaper than divisions
        if number >= _POWERS[power]:
            length = uint64(power + 1)
    if length == uint64(8):
        rest = number // _POWERS[8]
        while rest > uint64(0):
            rest //= uint64(10)
            length += uint64(1)
    end = place + length
    at = end
    while number >= uint64(100):
        rest = number // uint64(100)
        pair = (number - rest * uint64(100)) * uint64(2)
        number = rest
        at -= uint64(2)
        out[at] = _PAIRS[pair]
        out[at + uint64(1)] = _PAIRS[pair + uint64(1)]
    if number >= uint64(10):
        out[place] = _PAIRS[number * uint64(2)]
        out[place + uint64(1)] = _PAIRS[number * uint64(2) + uint64(1)]
    else:
        out[place] = uint64(_ZERO) + number
    return end


@compiled
def put_fixed(out: Bytes, place: Whole, number: Whole, decimals: int) -> Whole:
    """Write a whole multiple of 10^-decimals; give the place behind it."""
    if number < 0:
        out[place] = _MINUS
        place += uint64(1)
        number = -number
    size: Whole = uint64(number)
    if decimals == 0:
        return put_whole(out, place, size)
    if decimals == 2:  # by far the most
        whole = size // uint64(100)
        pair = (size - whole * uint64(100)) * uint64(2)
        place = put_whole(out, place, whole)
        out[place] = _DOT
        out[place + uint64(1)] = _PAIRS[pair]
        out[place + uint64(2)] = _PAIRS[pair + uint64(1)]
        return place + uint64(3)
    whole = size // _POWERS[decimals]
    rest = size - whole * _POWERS[decimals]
    place = put_whole(out, place, whole)
    out[place] = _DOT
    end = place + uint64(decimals)
    at = end
    while at > place:
        out[at] = uint64(_ZERO) + rest % uint64(10)
        rest //= uint64(10)
        at -= uint64(1)
    return end + uint64(1)


@compiled
def _rows(
    out: Bytes, texts: Bytes, starts: Ints, decimals: Ints, values: Ints, lengths: Ints
) -> int:
    place: Whole = uint64(0)
    fields = len(decimals)
    for row in range(values.shape[1]):
        first = place
        for index in range(fields):
            for at in range(uint64(starts[index]), uint64(starts[index + 1])):
                out[place] = texts[at]
                place += uint64(1)
            place = put_fixed(out, place, values[index, row], decimals[index])
        for at in range(uint64(starts[fields]), uint64(starts[fields + 1])):
            out[place] = texts[at]
            place += uint64(1)
        lengths[row] = place - first
    return int(place)


def render(
    texts: Sequence[str], decimals: Sequence[int], columns: Sequence[npt.NDArray[np.integer]]
) -> tuple[bytes, Ints]:
    """Write rows as `RowFormat.render` does."""
    words = [text.encode() for text in texts]
    joined = np.frombuffer(b"".join(words) or b"\0", np.uint8)
    starts = np.cumsum([0, *map(len, words)], dtype=np.int64)
    values = np.stack([np.asarray(column, np.int64) for column in columns])
    widest = int(starts[-1]) + DIGITS * len(decimals)
    count = values.shape[1]
    at_once = max(1, BUFFER_BYTES // widest)
    out = np.empty(widest * min(count, at_once), np.uint8)
    ends = np.zeros(count + 1, np.int64)
    pieces = []
    kinds = np.array(decimals, np.int64)
    for first in range(0, count, at_once):
        some = np.ascontiguousarray(values[:, first : first + at_once])
        lengths = ends[first + 1 : first + 1 + some.shape[1]]
        size = _rows(out, joined, starts, kinds, some, lengths)
        pieces.append(out[:size].tobytes())
    np.cumsum(ends, out=ends)
    return b"".join(pieces), ends


def _text(words: str) -> Bytes:
    return np.frombuffer(words.encode(), np.uint8).copy()


_ID = _text(',\n{"id":')
_IMAGE = _text(',"image_id":')
_BOX = _text(',"category_id":1,"bbox":[')
_AREA = _text('],"area":')
_CROWD = _text(',"iscrowd":')
_HEAD = _text(',"gtahead":{"head":')
_POINT = _text(',"point":[')
_CLOSED = _text("]")
_VISIBILITY = _text(',"visibility":')
_OCCLUDED = _text(',"occluded":')
_END = _text("}}")
_COMMA = 44

LONGEST_COCO_ROW = 400


@compiled
def _put(out: Bytes, place: Whole, words: Bytes) -> Whole:
    for at in range(len(words)):
        out[place + uint64(at)] = words[at]
    return place + uint64(len(words))


@compiled
def _cents(value: float) -> int:
    return int(np.rint(value * 100.0))


@compiled
def _cents_within(value: float, limit: int) -> int:
    """As `fixed_within`: what is in the picture stays there."""
    rounded = int(np.rint(value * 100.0))
    if value >= 0.0 and value < limit:
        rounded = min(max(rounded, 0), limit * 100 - 1)
    return rounded


@compiled
def coco_rows(
    out: Bytes,
    ids: Ints,
    frames: Ints,
    image_ids: Ints,
    sizes: Ints,
    boxes: Floats,
    ignored: Flags,
    heads: Ints,
    points: Floats,
    visibility: Floats,
    occluded: Flags,
) -> int:
    """Write annotations behind one another; give how many bytes they are.

    `frames` says for each head which of `image_ids` and `sizes` are its picture's.
    """
    place: Whole = uint64(0)
    for row in range(len(ids)):
        frame = frames[row]
        left, top = _cents(boxes[row, 0]), _cents(boxes[row, 1])
        width, height = _cents(boxes[row, 2]) - left, _cents(boxes[row, 3]) - top
        place = _put(out, place, _ID)
        place = put_fixed(out, place, ids[row], 0)
        place = _put(out, place, _IMAGE)
        place = put_fixed(out, place, image_ids[frame], 0)
        place = _put(out, place, _BOX)
        place = put_fixed(out, place, left, 2)
        out[place] = _COMMA
        place = put_fixed(out, place + uint64(1), top, 2)
        out[place] = _COMMA
        place = put_fixed(out, place + uint64(1), width, 2)
        out[place] = _COMMA
        place = put_fixed(out, place + uint64(1), height, 2)
        place = _put(out, place, _AREA)
        place = put_fixed(out, place, (width * height + 50) // 100, 2)
        place = _put(out, place, _CROWD)
        out[place] = _ZERO + ignored[row]
        place += uint64(1)
        place = _put(out, place, _HEAD)
        place = put_fixed(out, place, heads[row], 0)
        place = _put(out, place, _POINT)
        place = put_fixed(out, place, _cents_within(points[row, 0], sizes[frame, 0]), 2)
        out[place] = _COMMA
        place += uint64(1)
        place = put_fixed(out, place, _cents_within(points[row, 1], sizes[frame, 1]), 2)
        place = _put(out, place, _CLOSED)
        share = visibility[row]
        if not np.isnan(share):
            place = _put(out, place, _VISIBILITY)
            place = put_fixed(out, place, int(np.rint(share * 10_000.0)), 4)
        if occluded[row] >= 0:
            place = _put(out, place, _OCCLUDED)
            out[place] = _ZERO + occluded[row]
            place += uint64(1)
        place = _put(out, place, _END)
    return int(place)


# Reading COCO

_QUOTE, _BACKSLASH, _COLON = 34, 92, 58
MOST_EXACT = 2**53
"""Whole numbers beyond aren't exact as they are read here."""

_BLANK = 32
"""Blanks are no larger; a call of `_after_blanks` costs more than this comparison."""

_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = 91, 93, 123, 125

ODD = -1
"""Where the loop meets what it doesn't expect: the plain way reads the file instead."""


def _code(key: str) -> Whole:
    """Give what `_key` gives for a key: its last eight bytes, and its length.

    Unknown keys may have a known one's code; none that any program writes does.
    """
    code = 0
    for byte in key.encode():
        code = (code << 8 | byte) & (2**64 - 1)
    return np.uint64(code ^ (len(key) << 56) & (2**64 - 1))


_ID_KEY, _IMAGE_ID, _CATEGORY_ID = _code("id"), _code("image_id"), _code("category_id")
_AREA_KEY = _code("area")
_BBOX, _KEYPOINTS = _code("bbox"), _code("keypoints")
_ISCROWD, _IGNORE = _code("iscrowd"), _code("ignore")
_OURS, _HEAD_KEY, _POINT_KEY = _code("gtahead"), _code("head"), _code("point")
_VISIBILITY_KEY, _OCCLUDED_KEY = _code("visibility"), _code("occluded")
_TRUE, _FALSE, _NULL = _text("true"), _text("false"), _text("null")

_TENS = np.array([10.0**n for n in range(23)])


@compiled
def _after_blanks(data: Bytes, place: Whole) -> Whole:
    end = uint64(len(data))
    while place < end:
        byte = data[place]
        if byte != 32 and byte != 10 and byte != 13 and byte != 9:
            break
        place += uint64(1)
    return place


@compiled
def _is_word(data: Bytes, place: Whole, word: Bytes) -> bool:
    if place + uint64(len(word)) > uint64(len(data)):
        return False
    for at in range(len(word)):
        if data[place + uint64(at)] != word[at]:
            return False
    return True


@compiled
def _after_string(data: Bytes, place: Whole) -> Whole:
    """Give the place behind a string that begins here; 0 where it never ends."""
    end = uint64(len(data))
    place += uint64(1)
    while place < end:
        byte = data[place]
        if byte == _QUOTE:
            return place + uint64(1)
        place += uint64(2) if byte == _BACKSLASH else uint64(1)
    return uint64(0)


@compiled
def after_value(data: Bytes, place: Whole) -> Whole:
    """Give the place behind a value that begins here; 0 where it's none, or never ends."""
    end = uint64(len(data))
    byte = data[place]
    if byte == _QUOTE:
        return _after_string(data, place)
    if byte <= _ZERO + 9:
        return _number(data, place)[1]
    if byte == _OPEN_LIST or byte == _OPEN_OBJECT:
        depth = 0
        while place < end:
            byte = data[place]
            if byte == _QUOTE:
                place = _after_string(data, place)
                if place == uint64(0):
                    return place
                continue
            if byte == _OPEN_LIST or byte == _OPEN_OBJECT:
                depth += 1
            elif byte == _CLOSE_LIST or byte == _CLOSE_OBJECT:
                depth -= 1
                if depth == 0:
                    return place + uint64(1)
            place += uint64(1)
        return uint64(0)
    if _is_word(data, place, _TRUE) or _is_word(data, place, _NULL):
        return place + uint64(4)
    if _is_word(data, place, _FALSE):
        return place + uint64(5)
    return uint64(0)


@compiled
def _long_number(data: Bytes, place: Whole) -> tuple[float, Whole, bool]:
    """As `_number`, for numbers with an exponent or more digits than fit."""
    end = uint64(len(data))
    negative = data[place] == _MINUS
    if negative:
        place += uint64(1)
    first = place
    mantissa = uint64(0)
    digits = 0
    dropped = 0
    while place < end and data[place] >= _ZERO and data[place] <= _ZERO + 9:
        if digits < 18:
            mantissa = mantissa * uint64(10) + uint64(data[place] - _ZERO)
            digits += 1
        else:
            dropped += 1
        place += uint64(1)
    if place == first or (data[first] == _ZERO and place > first + uint64(1)):
        return 0.0, uint64(0), False
    scale = dropped
    whole = True
    if place < end and data[place] == _DOT:
        whole = False
        place += uint64(1)
        after = place
        while place < end and data[place] >= _ZERO and data[place] <= _ZERO + 9:
            if digits < 18:
                mantissa = mantissa * uint64(10) + uint64(data[place] - _ZERO)
                digits += 1
                scale -= 1
            place += uint64(1)
        if place == after:
            return 0.0, uint64(0), False
    if place < end and (data[place] == 101 or data[place] == 69):
        whole = False
        place += uint64(1)
        down = False
        if place < end and (data[place] == 43 or data[place] == _MINUS):
            down = data[place] == _MINUS
            place += uint64(1)
        after = place
        power = 0
        while place < end and data[place] >= _ZERO and data[place] <= _ZERO + 9:
            power = power * 10 + int(data[place] - _ZERO) if power < 10_000 else power
            place += uint64(1)
        if place == after:
            return 0.0, uint64(0), False
        scale += -power if down else power
    value = float(mantissa)
    while scale < 0:
        step = min(-scale, 22)
        value /= _TENS[step]
        scale += step
        if value == 0.0:
            break
    while scale > 0:
        step = min(scale, 22)
        value *= _TENS[step]
        scale -= step
        if value > 1e300:
            return 0.0, uint64(0), False
    return -value if negative else value, place, whole


@compiled
def _number(data: Bytes, place: Whole) -> tuple[float, Whole, bool]:
    """Read a number: its value to the last digit or the one before, the place behind, if whole.

    The place is 0 where it's no number by JSON's grammar.
    """
    begin = place
    negative = data[place] == _MINUS
    if negative:
        place += uint64(1)
    first = place
    mantissa = uint64(0)
    digit = uint64(data[place]) - uint64(_ZERO)
    while digit < uint64(10):  # what is less than "0" is very large without a sign
        mantissa = mantissa * uint64(10) + digit
        place += uint64(1)
        digit = uint64(data[place]) - uint64(_ZERO)
    if place == first or (data[first] == _ZERO and place > first + uint64(1)):
        return 0.0, uint64(0), False
    decimals = uint64(0)
    if data[place] == _DOT:
        place += uint64(1)
        after = place
        digit = uint64(data[place]) - uint64(_ZERO)
        while digit < uint64(10):
            mantissa = mantissa * uint64(10) + digit
            place += uint64(1)
            digit = uint64(data[place]) - uint64(_ZERO)
        decimals = place - after
        if decimals == uint64(0):
            return 0.0, uint64(0), False
    if place - first > uint64(18) or data[place] == 101 or data[place] == 69:
        return _long_number(data, begin)
    value = float(mantissa) / _TENS[decimals]
    return -value if negative else value, place, decimals == uint64(0)


@compiled
def _numbers(data: Bytes, place: Whole, out: Floats, row: int, count: int, more: bool) -> Whole:
    """Read a list of `count` numbers, or of `more`, into a row; 0 where it's something else.

    What stands behind the first `count` has to be numbers too.
    """
    end = uint64(len(data))
    if data[place] != _OPEN_LIST:
        return uint64(0)
    place += uint64(1)
    if place < end and data[place] <= _BLANK:
        place = _after_blanks(data, place)
    index = 0
    while True:
        if place >= uint64(len(data)):
            return uint64(0)
        value, place, _ = _number(data, place)
        if place == uint64(0):
            return place
        if index < count:
            out[row, index] = value
        index += 1
        if place < end and data[place] <= _BLANK:
            place = _after_blanks(data, place)
        if place >= uint64(len(data)):
            return uint64(0)
        if data[place] == _CLOSE_LIST:
            fine = index == count or (more and index > count)
            return place + uint64(1) if fine else uint64(0)
        if data[place] != _COMMA:
            return uint64(0)
        place += uint64(1)
        if place < end and data[place] <= _BLANK:
            place = _after_blanks(data, place)


@compiled
def _flag(data: Bytes, place: Whole) -> tuple[int, Whole]:
    """Read true, false, null or a number as a flag."""
    if data[place] <= _ZERO + 9:
        value, place, _ = _number(data, place)
        return int(value != 0), place
    if _is_word(data, place, _TRUE):
        return 1, place + uint64(4)
    if _is_word(data, place, _FALSE):
        return 0, place + uint64(5)
    if _is_word(data, place, _NULL):
        return 0, place + uint64(4)
    return 0, uint64(0)


@compiled
def _key(data: Bytes, place: Whole) -> tuple[Whole, Whole]:
    """Give the code of a key that begins here, and the place of its value; 0 where it's odd."""
    end = uint64(len(data))
    if place >= end or data[place] != _QUOTE:
        return uint64(0), uint64(0)
    place += uint64(1)
    first = place
    code = uint64(0)
    while place < end:
        byte = uint64(data[place])
        if byte == uint64(_QUOTE):
            break
        if byte == uint64(_BACKSLASH):
            return uint64(0), uint64(0)
        code = code << uint64(8) | byte
        place += uint64(1)
    code ^= (place - first) << uint64(56)
    place += uint64(1)
    if place < end and data[place] <= _BLANK:
        place = _after_blanks(data, place)
    if place >= end or data[place] != _COLON:
        return uint64(0), uint64(0)
    place += uint64(1)
    if place < end and data[place] <= _BLANK:
        place = _after_blanks(data, place)
    return code, place if place < end else uint64(0)


@compiled
def read_annotations(
    data: Bytes,
    place: Whole,
    ids: Ints,
    images: Ints,
    categories: Ints,
    keys: Flags,
    crowd: Flags,
    heads: Ints,
    visibility: Floats,
    occluded: Flags,
    bbox: Floats,
    points: Floats,
) -> tuple[int, Whole, bool]:
    """Read annotations of a list, from the place of one, until the arrays are full.

    Returns:
        How many were read (`ODD` where one isn't as expected), the place behind, and whether the
        list ended there.
    """
    end = uint64(len(data))  # the file ends with a brace: no number reaches its end
    row = 0
    while row < len(images):
        if place < end and data[place] <= _BLANK:
            place = _after_blanks(data, place)
        if place >= end or data[place] != _OPEN_OBJECT:
            return ODD, place, False
        place += uint64(1)
        if place < end and data[place] <= _BLANK:
            place = _after_blanks(data, place)
        seen = 0
        ids[row], keys[row] = NO_ID, 0
        crowd[row], heads[row], visibility[row], occluded[row] = 0, -1, np.nan, -1
        for side in range(4):
            bbox[row, side] = np.nan
        points[row, 0], points[row, 1] = np.nan, np.nan
        ours = False  # within what gtahead adds: an object that is read as if it were flat
        while True:
            key, place = _key(data, place)
            if place == uint64(0):
                return ODD, place, False
            wanted = (ours and (key == _HEAD_KEY or key == _OCCLUDED_KEY)) or (
                not ours
                and (
                    key == _ID_KEY
                    or key == _IMAGE_ID
                    or key == _CATEGORY_ID
                    or key == _ISCROWD
                    or key == _IGNORE
                )
            )
            if not ours:
                if key == _AREA_KEY:
                    keys[row] |= HAS_AREA
                elif key == _ISCROWD:
                    keys[row] |= HAS_ISCROWD
            digit = uint64(data[place]) - uint64(_ZERO)
            if wanted and digit < uint64(10):
                # Read here and not in `_number`: calls are what this loop's time is made of.
                begin, number = place, uint64(0)
                while digit < uint64(10):
                    number = number * uint64(10) + digit
                    place += uint64(1)
                    digit = uint64(data[place]) - uint64(_ZERO)
                if place - begin > uint64(15) or (
                    data[begin] == _ZERO and place - begin > uint64(1)
                ):
                    return ODD, place, False
                byte = data[place]
                if byte == _DOT or byte == 101 or byte == 69:
                    return ODD, place, False
                if ours:
                    if key == _HEAD_KEY:
                        heads[row] = number
                    else:
                        occluded[row] = number != uint64(0)
                elif key == _ID_KEY:
                    ids[row] = number
                elif key == _IMAGE_ID:
                    images[row] = number
                    seen |= 1
                elif key == _CATEGORY_ID:
                    categories[row] = number
                    seen |= 2
                else:
                    crowd[row] |= number != uint64(0)
            elif wanted and (key == _ISCROWD or key == _IGNORE):
                flag, place = _flag(data, place)
                crowd[row] |= flag
            elif wanted and key == _OCCLUDED_KEY:
                occluded[row], place = _flag(data, place)
            elif wanted:
                value, place, whole = _number(data, place)
                if not whole or abs(value) > MOST_EXACT:
                    return ODD, place, False
                if ours:
                    heads[row] = int(value)
                elif key == _ID_KEY:
                    ids[row] = int(value)
                elif key == _IMAGE_ID:
                    images[row] = int(value)
                    seen |= 1
                else:
                    categories[row] = int(value)
                    seen |= 2
            elif ours and key == _POINT_KEY:
                place = _numbers(data, place, points, row, 2, False)
            elif ours and key == _VISIBILITY_KEY:
                visibility[row], place, whole = _number(data, place)
            elif not ours and key == _BBOX:
                if data[place] == _OPEN_LIST:
                    place = _numbers(data, place, bbox, row, 4, False)
                else:
                    place = place + uint64(4) if _is_word(data, place, _NULL) else uint64(0)
            elif not ours and key == _KEYPOINTS:
                place = _numbers(data, place, points, row, 2, True)
            elif not ours and key == _OURS and data[place] == _OPEN_OBJECT:
                ours = True
                place += uint64(1)
                if place < end and data[place] <= _BLANK:
                    place = _after_blanks(data, place)
                if place < end and data[place] == _QUOTE:
                    continue
            elif data[place] <= _ZERO + 9 and data[place] != _QUOTE:
                value, place, whole = _number(data, place)
            else:
                place = after_value(data, place)
            if place == uint64(0):
                return ODD, place, False
            if place < end and data[place] <= _BLANK:
                place = _after_blanks(data, place)
            if ours and place < end and data[place] == _CLOSE_OBJECT:
                ours = False
                place += uint64(1)
                if place < end and data[place] <= _BLANK:
                    place = _after_blanks(data, place)
            if place >= end:
                return ODD, place, False
            if data[place] == _CLOSE_OBJECT:
                place += uint64(1)
                break
            if data[place] != _COMMA:
                return ODD, place, False
            place += uint64(1)
            if place < end and data[place] <= _BLANK:
                place = _after_blanks(data, place)
        if seen != 3:
            return ODD, place, False
        row += 1
        if place < end and data[place] <= _BLANK:
            place = _after_blanks(data, place)
        if place >= end:
            return ODD, place, False
        if data[place] == _CLOSE_LIST:
            return row, place + uint64(1), True
        if data[place] != _COMMA:
            return ODD, place, False
        place += uint64(1)
    return row, place, False
