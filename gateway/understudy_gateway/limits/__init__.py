"""What a key, and a model, may still use: requests and tokens by the minute, exchanges at once, money."""
