"""``python -m extractor.host`` is ``stigmer``."""

from extractor.host.cli import main

main()
