"""What was spent: the record of an exchange, where records go, and how they are read again."""
