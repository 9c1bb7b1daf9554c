"""Reports of a run: for people, as JSON, as JUnit XML; each made of the Run alone."""
