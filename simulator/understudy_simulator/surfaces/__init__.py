"""One module for each API family; each has its routes, and none imports another."""
