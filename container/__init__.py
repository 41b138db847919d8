"""The payload format that packer and extractor share: FORMAT.md, and the code that reads it."""
