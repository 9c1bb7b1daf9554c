"""A free Live session as a machine: events in, actions out; no socket, no clock."""
