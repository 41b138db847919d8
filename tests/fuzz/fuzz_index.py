"""Feed mutated payloads to everything that reads one; needs atheris (see README.md).

Half of the mutations are libFuzzer's own, the others set a field of the footer or of the index
to a telling value. Most are mended afterwards, so that they get behind the digests.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped]

from container.sections import INDEX_HEADER, SECTION

# atheris instruments what it imports, so what is looked at comes first.
with atheris.instrument_imports(include=["container", "extractor"]):
    from container import codec, layout, magic
    from tests.support.examination import examine

from tests.support.mending import mend
from tests.support.payloads import patch

_TELLING = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0xFFF, 0x1000, 0xFFFF, 0x10000, 1 << 20)
_STRUCTS = {magic.METADATA_ID: layout.METADATA, **layout.ROWS}


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """One more input from one that is known."""
    rng = random.Random(seed)
    if rng.random() < 0.5 and len(data) > magic.FOOTER_BYTES:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            data = _set_field(data, rng)
    else:
        data = atheris.Mutate(data, max_size)
    if rng.random() < 0.9:
        data = mend(data, frames=rng.random() < 0.8)
    return data[-max_size:]


def _set_field(data: bytes, rng: random.Random) -> bytes:
    end = len(data)
    footer = codec.FOOTER.unpack(data[-magic.FOOTER_BYTES :])
    places = [(end - magic.FOOTER_BYTES, layout.FOOTER)]
    start = end - footer[6]
    if 0 <= start <= end - INDEX_HEADER.size:
        places.append((start, layout.INDEX_HEADER))
        count = INDEX_HEADER.unpack_from(data, start)[3]
        for number in range(min(count, 8)):
            at = start + INDEX_HEADER.size + number * SECTION.size
            if at + SECTION.size > end:
                break
            section_id, _, offset, _, row_bytes, row_count = SECTION.unpack_from(data, at)
            places.append((at, layout.SECTION))
            struct = _STRUCTS.get(section_id)
            if struct is not None and row_count:
                row = start + offset + rng.randrange(min(row_count, 64)) * row_bytes
                if row + struct.sizeof() <= end:
                    places += [(row, struct)] * 4
    place, struct = rng.choice(places)
    field = rng.choice(struct.subcons)
    size = field.sizeof()
    offset = place + sum(sub.sizeof() for sub in struct.subcons[: struct.subcons.index(field)])
    old = int.from_bytes(data[offset : offset + size], "little")
    near = old + rng.choice((-8, -1, 1, 8, 64))
    value = rng.choice((near, near, rng.choice(_TELLING), (1 << 8 * size) - 1, rng.getrandbits(16)))
    return patch(data, place, struct, **{field.name: value % (1 << 8 * size)})


def main() -> None:
    """Run until libFuzzer's own options end it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        directory = Path(name)

        def one(data: bytes) -> None:
            examine(data, directory, jobs=1 + len(data) % 2)

        atheris.Setup(sys.argv, one, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
