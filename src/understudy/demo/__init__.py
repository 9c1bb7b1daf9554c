"""The main job, shown: the official client through the gateway against the simulator, compared byte for byte."""
