"""The axis on which all numbers have their places, and of which bins are pieces.

It is linear near 0. Further out, each power of two is as long as the one before.
"""

import math
import sys

LINEAR_EXPONENT = -8  # the axis is linear up to this power of two


def place_of(number: float, *, is_mirrored: bool = True) -> float:
    """Return the place of a number on the axis.

    To the size of a number a small constant is added. The place of the sum is its logarithm to the
    base 2, on a straight line between powers of two. So the axis is linear near 0. From 1/2 to 1 it
    is mirrored: it is as fine near 1 as near 0, because that is where probabilities crowd.
    """
    if number < 0:
        return -place_of(-number, is_mirrored=False)
    if is_mirrored and number > 1 / 2:
        if number <= 1:
            return ONE - place_of(1 - number)
        return place_of(number, is_mirrored=False) + BEYOND_ONE
    fraction, exponent = math.frexp(number + 2.0**LINEAR_EXPONENT)
    return exponent - 1 + 2 * fraction - 1 - LINEAR_EXPONENT


def value_at(place: float, *, is_mirrored: bool = True) -> float:
    """Return the number at a place of the axis: the inverse of `place_of`."""
    if place < 0:
        return -value_at(-place, is_mirrored=False)
    if is_mirrored and place > ONE / 2:
        if place <= ONE:
            return 1 - value_at(ONE - place)
        return value_at(place - BEYOND_ONE, is_mirrored=False)
    whole = math.floor(place)
    try:
        power = math.ldexp(1 + place - whole, LINEAR_EXPONENT + whole)
    except OverflowError:  # the end of the last bin
        return sys.float_info.max
    return power - 2.0**LINEAR_EXPONENT


ONE = 2 * place_of(1 / 2, is_mirrored=False)
BEYOND_ONE = ONE - place_of(1.0, is_mirrored=False)
