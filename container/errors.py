"""Every error this project raises, and the exit code of each.

::

    ContainerError                 1
    ├── NotAContainerError        10   no payload where one must end
    ├── FormatError               11   bytes that break FORMAT.md
    │   ├── TruncatedError        12   the file ends too early
    │   ├── UnsupportedVersionError 13 written by a newer major version
    │   └── LimitExceededError    14   beyond FORMAT.md section 9
    ├── IntegrityError            15   a digest differs
    ├── UnsafePathError           16   a name or link that must not be written
    ├── UnknownEntryError         17   the payload holds nothing of that name
    ├── PackError                 20   the packer's inputs cannot be packed
    │   ├── SourceChangedError    21   a source changed while it was read
    │   ├── UnsupportedHostError  22   a host format that cannot be packed
    │   └── AlreadyPackedError    23   the host carries a payload
    └── InstallError              30   the extractor's target refuses
        ├── BusyError             31   another process holds the lock
        ├── NoSpaceError          32   the file system is full
        ├── NotWritableError      33   no permission to write there
        ├── NotExecutableError    34   the target does not run programs
        ├── WrongPlatformError    35   a payload for another platform
        └── TargetExistsError     36   something stands where output goes

``OSError`` passes through with its path; the command lines end with exit code 4 for it.
"""

from __future__ import annotations

from typing import ClassVar

OS_ERROR_EXIT_CODE = 4
INTERRUPTED_EXIT_CODE = 130


class ContainerError(Exception):
    """Root of the tree; its text says what, where, expected, found, and what to do next.

    The fields are the positional arguments of ``Exception``, so that an error survives
    pickling from a worker process.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        where: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what, where, expected, found, remedy)
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected is not None and self.found is not None:
            text += f" (expected {self.expected}, found {self.found})"
        elif self.expected is not None:
            text += f" (expected {self.expected})"
        elif self.found is not None:
            text += f" (found {self.found})"
        if self.remedy:
            text += f"; {self.remedy}"
        return text

    def at(self, where: str) -> ContainerError:
        """The same error, told of a place; an inner place stays behind the outer one."""
        place = f"{where}: {self.where}" if self.where else where
        return type(self)(self.what, place, self.expected, self.found, self.remedy)


def told(error: BaseException) -> tuple[str, int]:
    """How a command line ends: the text for standard error, and the exit code."""
    if isinstance(error, ContainerError):
        return f"error: {error}", error.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename is not None else ""
        return f"error: {place}{error.strerror or error}", OS_ERROR_EXIT_CODE
    return "interrupted", INTERRUPTED_EXIT_CODE


class NotAContainerError(ContainerError):
    """No payload ends where one must end (FORMAT.md section 3)."""

    exit_code = 10


class FormatError(ContainerError):
    """Bytes that break a rule of FORMAT.md."""

    exit_code = 11


class TruncatedError(FormatError):
    """The file ends inside something that its index promises."""

    exit_code = 12


class UnsupportedVersionError(FormatError):
    """A newer major version, or a feature that this reader must know and does not."""

    exit_code = 13


class LimitExceededError(FormatError):
    """A count or size beyond FORMAT.md section 9."""

    exit_code = 14


class IntegrityError(ContainerError):
    """Bytes that differ from their digest."""

    exit_code = 15


class UnsafePathError(ContainerError):
    """A path or link target that FORMAT.md section 7 forbids."""

    exit_code = 16


class UnknownEntryError(ContainerError):
    """A component or file that was asked for and is not in the payload."""

    exit_code = 17


class PackError(ContainerError):
    """Inputs that cannot be packed."""

    exit_code = 20


class SourceChangedError(PackError):
    """A source file changed between two reads of it."""

    exit_code = 21


class UnsupportedHostError(PackError):
    """A host executable of a format that cannot take a payload."""

    exit_code = 22


class AlreadyPackedError(PackError):
    """The host carries a payload, and replacing it was not asked for."""

    exit_code = 23


class InstallError(ContainerError):
    """The target of an extraction refuses."""

    exit_code = 30


class BusyError(InstallError):
    """Another process holds the installation's lock."""

    exit_code = 31


class NoSpaceError(InstallError):
    """The file system or quota is full."""

    exit_code = 32


class NotWritableError(InstallError):
    """The target directory cannot be written to."""

    exit_code = 33


class NotExecutableError(InstallError):
    """The target file system does not run programs."""

    exit_code = 34


class WrongPlatformError(InstallError):
    """The payload is for another platform than this machine."""

    exit_code = 35


class TargetExistsError(InstallError):
    """Something stands where the output would go."""

    exit_code = 36
