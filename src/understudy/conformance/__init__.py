"""The conformance suite: plays scenarios through any gateway and judges what went in against what came out."""
