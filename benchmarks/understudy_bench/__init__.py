"""The bench: what an exchange costs the gateway and the simulator in CPU and memory, beside plain peers."""
