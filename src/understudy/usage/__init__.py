"""What an exchange, a session or a video job consumed, read from the bytes that passed; pure and bounded in memory."""
