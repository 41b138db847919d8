"""Sizes as people read them; decimal, as disks and downloads are sold."""

from __future__ import annotations


def human_bytes(size: float) -> str:
    """As ``812 B``, ``4.10 kB``, ``83.7 MB`` or ``1.02 GB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        scaled = size / factor
        # 999.95 of a unit would be shown as 1000.0.
        if scaled >= 0.99995:
            return f"{scaled:.2f} {unit}" if scaled < 9.995 else f"{scaled:.1f} {unit}"
    return f"{size:.0f} B"


def ratio(part: float, whole: float) -> str:
    """As ``26.9%``; ``-`` of nothing."""
    return f"{100 * part / whole:.1f}%" if whole else "-"
