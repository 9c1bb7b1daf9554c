"""What the fixtures of the pytest plugin do; nothing here knows pytest."""
