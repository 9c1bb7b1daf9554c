"""The provider's side of HTTP: one connection as a pure machine, the pool's decisions, and a thin asyncio skin."""
