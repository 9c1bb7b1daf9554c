"""Understudy rehearses AI gateways without Google."""

__version__ = "0.1.0"
