"""From packed programs to what users download: archives, manifest, notes, formula, checks."""
