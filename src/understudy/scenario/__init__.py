"""The scenario engine: what a scenario is, how it is read, and which one answers a request. Pure."""
