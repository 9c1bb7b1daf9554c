"""The gateway's requirements: where each is in the code, which tests hold it, and the mutants that these tests kill."""
