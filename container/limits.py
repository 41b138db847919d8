"""Caps that are applied before anything is allocated (FORMAT.md section 9)."""

from __future__ import annotations

MAX_INDEX_BYTES = 64 << 20
MAX_SECTIONS = 64
MAX_ROW_BYTES = 1024
MAX_COMPONENTS = 64
MAX_FRAMES = 1 << 16
MAX_ENTRIES = 1 << 18
MAX_PATH_BYTES = 1024
MAX_PATHS_BYTES = 64 << 20
"""All paths and link targets of an index together. Texts may overlap in the strings section, so
13 MB of index could otherwise stand for a gigabyte of them."""

MAX_SEGMENT_BYTES = 255
MAX_LABEL_BYTES = 128
"""Longest component name, version or platform, in bytes."""

MAX_FRAME_PLAIN_BYTES = 32 << 20
MAX_FRAME_STORED_BYTES = MAX_FRAME_PLAIN_BYTES + (MAX_FRAME_PLAIN_BYTES >> 8)
"""ZSTD_COMPRESSBOUND of the largest frame."""

MAX_WINDOW_BYTES = 1 << 27
"""Largest zstd window: what ``zstd -d`` accepts without options."""

MAX_REFERENCE_BYTES = 64 << 20
"""Largest file that may serve as a reference; it is held in memory while frames use it."""

MAX_PLAIN_BYTES = 1 << 36
"""All files of a payload together, each counted as often as it is written."""

MAX_LEAD_BYTES = 1 << 16
