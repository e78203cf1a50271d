"""An export whose manifest somebody rewrote on purpose, with the digest that belongs to it."""

import json

from neurocompile.formats.artifact import MANIFEST, sealed


def manifest_of(folder):
    return json.loads((folder / MANIFEST).read_text())


def rewrite(folder, manifest):
    """Give an export another manifest, which reads as one that export wrote."""
    (folder / MANIFEST).write_text(json.dumps(sealed(manifest)))
