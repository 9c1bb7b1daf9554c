"""Google's errors by name: status, message, details and header fields of each, as its services send them. Pure."""
