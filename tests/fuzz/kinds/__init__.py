"""All kinds of files that neurocompile reads, by name."""

from fuzz.kinds.exports import EXPORTS
from fuzz.kinds.models import MODELS
from fuzz.kinds.samples import SAMPLES

KINDS = {kind.name: kind for kind in (*MODELS, *EXPORTS, *SAMPLES)}
