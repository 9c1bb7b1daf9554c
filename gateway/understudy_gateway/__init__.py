"""The reference passthrough gateway."""
