"""Guardrails: rules that an operator lays over what clients send and providers answer. Off unless configured."""
