"""Small gateways that the suite is tried on: an honest one, and many that each do one thing wrong."""
