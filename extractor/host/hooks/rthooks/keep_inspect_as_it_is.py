"""In the place of PyInstaller's own hook, which imports zipfile at every start.

It teaches ``inspect`` to find sources inside of the archive; this program shows none.
"""
