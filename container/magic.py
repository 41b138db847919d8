"""Magic numbers, versions and section names of FORMAT.md; no imports, so that all may import it."""

from __future__ import annotations

FORMAT_MAJOR = 1
FORMAT_MINOR = 0

FOOTER_MAGIC = b"\x93STGM\r\n\x1a"
"""The line ending inside shows a transfer that rewrote line ends, as PNG's does."""

INDEX_MAGIC = b"STGI"

INDEX_SKIPPABLE_MAGIC = 0x184D2A5B
FOOTER_SKIPPABLE_MAGIC = 0x184D2A5C
"""RFC 8878 section 3.1.2: sixteen magic numbers mark frames that decoders skip."""

SKIPPABLE_HEADER_BYTES = 8
FOOTER_BYTES = 64

METADATA_ID = b"META"
COMPONENTS_ID = b"COMP"
FRAMES_ID = b"FRAM"
ENTRIES_ID = b"ENTR"
STRINGS_ID = b"STRS"
SECTION_IDS = (METADATA_ID, COMPONENTS_ID, FRAMES_ID, ENTRIES_ID, STRINGS_ID)

REQUIRED_SECTION = 1
"""Section flag: a reader that does not know the section refuses the payload."""

NO_ENTRY = 0xFFFFFFFF
"""In the fields that number an entry."""

REFERENCE_NONE = 0
REFERENCE_ENTRY = 1
REFERENCE_INSTALLED = 2
"""Reserved: a file of an installed version, named by digest, for upgrades by difference."""
