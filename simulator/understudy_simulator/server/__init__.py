"""The HTTP/1.1 server of the traffic ports: exact bytes both ways, and nothing on the way that is not needed."""
