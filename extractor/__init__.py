"""The run side: a packed file -> its payload -> files on disk, verified, published at once."""
