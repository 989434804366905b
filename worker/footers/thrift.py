"""Decodes and encodes Thrift's compact protocol, in which a Parquet footer is written."""

from dataclasses import dataclass
from typing import Any, NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_INTEGERS = frozenset((I16, I32, I64))
_BOOLEANS = frozenset((TRUE, FALSE))
_LISTS = frozenset((LIST, SET))
_FIXED_BYTES = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}  # a boolean in a list takes a byte
_MORE = 128  # the bit of a byte that more bytes of the number follow
_SHORT_LIST = 15  # the length field's value for a length that follows as a varint


class Sequence(NamedTuple):
    """A list or a set: the type of its items, and the items."""

    item_type: int
    items: list[Any]


Struct = dict[int, tuple[int, Any]]
"""The type and the value of each field by its id; lists are `Sequence`, binaries are bytes.

To be encoded, a list of structs may also have structs that are encoded already, as bytes.
"""


class Offset(int):
    """An integer that counts from a place which is not known when it is encoded."""


@dataclass(frozen=True, slots=True)
class MovableStruct:
    """An encoded struct in which the offsets are left out: each has another length elsewhere."""

    data: bytes
    offsets: tuple[tuple[int, int], ...]
    """Where in `data` each offset belongs, and the offset."""

    def at(self, place: int) -> bytes:
        """Return the struct with its offsets, which count from this place."""
        encoded = bytearray()
        copied = 0
        for position, offset in self.offsets:
            encoded += self.data[copied:position]
            _write_integer(encoded, place + offset)
            copied = position
        return bytes(encoded + self.data[copied:])


def integer(struct: Struct, *path: int) -> int | None:
    """Return an integer, which is in a field or in a field of a field; None if it is not there."""
    found = _value(struct, path)
    return found if isinstance(found, int) else None


def text(struct: Struct, *path: int) -> str | None:
    """Return a text likewise; raises ValueError if it is not UTF-8."""
    found = _value(struct, path)
    return found.decode() if isinstance(found, bytes) else None


def texts(struct: Struct, *path: int) -> list[str]:
    """Return a list of texts likewise; it is empty if it is not there."""
    return [item.decode() for item in _items(struct, path) if isinstance(item, bytes)]


def structs(struct: Struct, *path: int) -> list[Struct]:
    """Return a list of structs likewise; it is empty if it is not there."""
    return [item for item in _items(struct, path) if isinstance(item, dict)]


def _items(struct: Struct, path: tuple[int, ...]) -> list[Any]:
    found = _value(struct, path)
    return found.items if isinstance(found, Sequence) else []


def _value(struct: Struct, path: tuple[int, ...]) -> Any:  # noqa: ANN401 - whatever is there
    found: Any = struct
    for field_id in path:
        if not isinstance(found, dict) or field_id not in found:
            return None
        found = found[field_id][1]
    return found


def decode(data: bytes, *, ends_there: bool = False) -> Struct:
    """Decode a struct, which `ends_there` if nothing may follow it.

    Raises ValueError if the data is no such struct.
    """
    decoder = _Decoder(data)
    try:
        struct = decoder.struct()
    except (IndexError, RecursionError) as error:
        raise ValueError("the footer is cut off, or nested too deeply") from error
    if ends_there and decoder.at < len(data):
        raise ValueError("the footer ends too soon")
    return struct


class _Decoder:
    """Decodes from a position that moves on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self) -> Struct:
        fields: Struct = {}
        field_id = 0
        data = self._data
        while header := data[self.at]:
            self.at += 1
            field_id = field_id + (header >> 4) if header >> 4 else self._integer()
            field_type = header & 15
            if field_type in _BOOLEANS:
                fields[field_id] = (field_type, field_type == TRUE)
            else:
                fields[field_id] = (field_type, self._value(field_type))
        self.at += 1
        return fields

    def _value(self, value_type: int) -> Any:  # noqa: ANN401 - as the type says
        if value_type in _INTEGERS:
            return self._integer()
        if value_type == BINARY:
            return self._take(self._varint())
        if value_type == STRUCT:
            return self.struct()
        if value_type in _LISTS:
            return self._list()
        if value_type == MAP:
            return self._map()
        if value_type not in _FIXED_BYTES:
            raise ValueError(f"the footer has a field of the unknown type {value_type}")
        return self._take(_FIXED_BYTES[value_type])

    def _list(self) -> Sequence:
        header = self._data[self.at]
        self.at += 1
        length = header >> 4
        if length == _SHORT_LIST:
            length = self._varint()
        item_type = header & 15
        return Sequence(item_type, [self._value(item_type) for _ in range(length)])

    def _map(self) -> tuple[int, list[tuple[Any, Any]]]:
        if not (length := self._varint()):
            return 0, []
        types = self._data[self.at]
        self.at += 1
        pairs = [(self._value(types >> 4), self._value(types & 15)) for _ in range(length)]
        return types, pairs

    def _varint(self) -> int:
        data = self._data
        byte = data[self.at]
        self.at += 1
        number = byte & ~_MORE
        shift = 7
        while byte & _MORE:
            byte = data[self.at]
            self.at += 1
            number |= (byte & ~_MORE) << shift
            shift += 7
        return number

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _take(self, size: int) -> bytes:
        taken = self._data[self.at : self.at + size]
        if len(taken) < size:
            raise IndexError
        self.at += size
        return taken


def encode(struct: Struct) -> bytes:
    """Encode a struct."""
    return encode_movable(struct).at(0)


def encode_movable(struct: Struct) -> MovableStruct:
    """Encode a struct but for its integers that are an `Offset`."""
    written = _Written()
    _write_struct(written, struct)
    return MovableStruct(bytes(written), tuple(written.offsets))


class _Written(bytearray):
    """What is encoded so far, and the offsets that were left out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets: list[tuple[int, int]] = []


def _write_struct(written: _Written, struct: Struct | bytes) -> None:
    if isinstance(struct, bytes):
        written += struct
        return
    previous = 0
    for field_id, (field_type, field) in sorted(struct.items()):
        delta = field_id - previous
        if 0 < delta <= _SHORT_LIST:
            written.append(delta << 4 | field_type)
        else:
            written.append(field_type)
            _write_integer(written, field_id)
        if field_type not in _BOOLEANS:
            _write_value(written, field_type, field)
        previous = field_id
    written.append(0)


def _write_value(written: _Written, value_type: int, field: Any) -> None:  # noqa: ANN401
    if value_type in _INTEGERS:
        _write_number(written, field)
    elif value_type == BINARY:
        _write_varint(written, len(field))
        written += field
    elif value_type == STRUCT:
        _write_struct(written, field)
    elif value_type in _LISTS:
        length = len(field.items)
        written.append(min(length, _SHORT_LIST) << 4 | field.item_type)
        if length >= _SHORT_LIST:
            _write_varint(written, length)
        for item in field.items:
            _write_value(written, field.item_type, item)
    elif value_type == MAP:
        types, pairs = field
        _write_varint(written, len(pairs))
        if pairs:
            written.append(types)
        for key, item in pairs:
            _write_value(written, types >> 4, key)
            _write_value(written, types & 15, item)
    else:
        written += field


def _write_number(written: _Written, number: int) -> None:
    if isinstance(number, Offset):
        written.offsets.append((len(written), int(number)))
    else:
        _write_integer(written, number)


def _write_integer(written: bytearray, number: int) -> None:
    _write_varint(written, (number << 1) ^ (number >> 63))


def _write_varint(written: bytearray, number: int) -> None:
    while number >= _MORE:
        written.append(number % _MORE | _MORE)
        number //= _MORE
    written.append(number)
