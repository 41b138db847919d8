"""What an attacker does: change anything, then compute again every digest that is in the way."""

from __future__ import annotations

from container import codec, digest, layout, limits, magic
from container.sections import INDEX_HEADER, SECTION
from tests.support.payloads import patch


def mend(payload: bytes, *, frames: bool = True) -> bytes:
    """The same bytes with digests that fit, as far as the bytes have the shape of a payload.

    Args:
        payload: any bytes at all; what is no footer or index is left as it is.
        frames: mend the digests of the stored frames too.
    """
    if len(payload) < magic.FOOTER_BYTES:
        return payload
    footer = payload[-magic.FOOTER_BYTES :]
    fields = codec.FOOTER.unpack(footer)
    index_bytes, index_distance, payload_distance = fields[5:8]
    start = len(payload) - index_distance
    if not 0 <= start <= len(payload) - magic.FOOTER_BYTES - index_bytes:
        return payload[: -magic.FOOTER_BYTES] + _mend_footer(footer)
    index = payload[start : start + index_bytes]
    payload_start = len(payload) - payload_distance
    if frames and 0 <= payload_start <= start:
        index = _mend_frames(index, payload[payload_start:start])
    footer = patch(footer, 0, layout.FOOTER, index_xxh3=digest.xxh3_64(index))
    behind = payload[start + index_bytes : -magic.FOOTER_BYTES]
    return payload[:start] + index + behind + _mend_footer(footer)


def _mend_footer(footer: bytes) -> bytes:
    return patch(footer, 0, layout.FOOTER, footer_xxh3=digest.xxh3_64(footer[:-8]))


def _mend_frames(index: bytes, stored: bytes) -> bytes:
    """Digests of the frames in every section that calls itself one of frames."""
    if len(index) < INDEX_HEADER.size:
        return index
    count = min(INDEX_HEADER.unpack_from(index)[3], limits.MAX_SECTIONS)
    for number in range(count):
        place = INDEX_HEADER.size + number * SECTION.size
        if place + SECTION.size > len(index):
            break
        section_id, _, start, _, row_bytes, row_count = SECTION.unpack_from(index, place)
        if section_id != magic.FRAMES_ID or row_bytes < codec.FRAME.size:
            continue
        offset = 0
        for row in range(min(row_count, 64)):
            at = start + row * row_bytes
            if at + codec.FRAME.size > len(index):
                break
            size = codec.FRAME.unpack_from(index, at)[0]
            span = stored[offset : offset + size]
            offset += size
            digests = {"stored_xxh3": digest.xxh3_64(span)}
            index = patch(index, at, layout.FRAME, **digests, sha256=digest.sha256(span))
    return index
