"""The chaos soak of the gateway: many clients, faults of the provider, kills; what must hold is judged at the end."""
