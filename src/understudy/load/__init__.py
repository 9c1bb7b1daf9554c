"""Load on a gateway: the same conversations straight and through it, and how much later they come."""
