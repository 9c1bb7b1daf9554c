"""What the simulator says by itself where no scenario does: sensible, deterministic, in Google's shapes. Pure."""
