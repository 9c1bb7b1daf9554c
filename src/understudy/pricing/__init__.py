"""What a usage costs: price books in LiteLLM's vocabulary, and exact arithmetic in Decimal; pure."""
