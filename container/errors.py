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
    ├── LostPayloadError          18   a tool cut the payload off
    ├── PackError                 20   the packer's inputs cannot be packed
    │   ├── SourceChangedError    21   a source changed while it was read
    │   ├── UnsupportedHostError  22   a host format that cannot be packed
    │   ├── AlreadyPackedError    23   the host carries a payload
    │   └── FreezeError           26   a program cannot be frozen
    │       ├── ImportConflictError 27 two distributions provide one import name
    │       ├── MissingImportError 28  a module is not in the frozen program
    │       └── SelfCheckError    29   the frozen program does not pass its check
    ├── InstallError              30   the extractor's target refuses
    │   ├── BusyError             31   another process holds the lock
    │   ├── NoSpaceError          32   the file system is full
    │   ├── NotWritableError      33   no permission to write there
    │   ├── NotExecutableError    34   the target does not run programs
    │   ├── WrongPlatformError    35   a payload for another platform
    │   ├── TargetExistsError     36   something stands where output goes
    │   ├── DowngradeError        37   a newer version is installed
    │   ├── UnsuitableHomeError   38   owner, permissions, path length or limits
    │   └── NotInstalledError     39   there is no installation to work on
    ├── ServiceError              40   a service cannot be run
    │   ├── AlreadyRunningError   41   another host runs on these data
    │   ├── NotRunningError       42   no host runs on these data
    │   ├── PortInUseError        43   another program listens on the port
    │   ├── NotReadyError         44   a service is not in order, or not in time
    │   └── ServiceDiedError      45   a service ended that nobody asked to
    └── ReleaseError              50   a release cannot be made
        ├── MissingPlatformError  51   not all platforms are there
        ├── VersionMismatchError  52   parts of a release differ in version
        ├── TagExistsError        53   the version has been released
        ├── DirtyTreeError        54   sources differ from what is committed
        ├── PinMismatchError      55   another agent-runner than the pinned one
        ├── ArtefactError         56   an artefact is not what the release says
        └── TrialError            57   the released program does not start well

``OSError`` passes through with its path; the command lines end with exit code 4 for it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the one of typing costs its import, at every warm start
if TYPE_CHECKING:
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


class LostPayloadError(ContainerError):
    """A host that carried a payload, and no longer does."""

    exit_code = 18


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


class FreezeError(PackError):
    """A program cannot be frozen: its environment, or PyInstaller, refuses."""

    exit_code = 26


class ImportConflictError(FreezeError):
    """Two distributions provide the same import name, and nobody has chosen one."""

    exit_code = 27


class MissingImportError(FreezeError):
    """A module that the program imports is not in the frozen program."""

    exit_code = 28


class SelfCheckError(FreezeError):
    """The frozen program does not pass its own check."""

    exit_code = 29


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


class DowngradeError(InstallError):
    """A newer version than this payload's is installed, and going back was not asked for."""

    exit_code = 37


class UnsuitableHomeError(InstallError):
    """A home that cannot hold an installation: its owner, its path, or a limit of the process."""

    exit_code = 38


class NotInstalledError(InstallError):
    """There is nothing installed that could be looked at, repaired or rolled back to."""

    exit_code = 39


class ServiceError(ContainerError):
    """A service cannot be run, or what is known about a run cannot be understood."""

    exit_code = 40


class AlreadyRunningError(ServiceError):
    """Another host runs services on the same data."""

    exit_code = 41


class NotRunningError(ServiceError):
    """No host runs services on these data; ``stigmer server status`` ends with its code."""

    exit_code = 42


class PortInUseError(ServiceError):
    """Another program listens on the port that was asked for."""

    exit_code = 43


class NotReadyError(ServiceError):
    """A service does not say that it is in order, or did not in time."""

    exit_code = 44


class ServiceDiedError(ServiceError):
    """A service ended that nobody had asked to."""

    exit_code = 45


class ReleaseError(ContainerError):
    """A release cannot be made of what is there."""

    exit_code = 50


class MissingPlatformError(ReleaseError):
    """A platform that the release is for has no artefacts."""

    exit_code = 51


class VersionMismatchError(ReleaseError):
    """Tag, platforms or components do not agree on a version."""

    exit_code = 52


class TagExistsError(ReleaseError):
    """The tag of a release stands already: a version is released once."""

    exit_code = 53


class DirtyTreeError(ReleaseError):
    """The sources differ from the commit that the release names."""

    exit_code = 54


class PinMismatchError(ReleaseError):
    """A component of a release of its own is not the one that is pinned, or is not pinned."""

    exit_code = 55


class ArtefactError(ReleaseError):
    """An artefact is missing, damaged, or not what the release says of it."""

    exit_code = 56


class TrialError(ReleaseError):
    """A released program does not install or start what it carries."""

    exit_code = 57
