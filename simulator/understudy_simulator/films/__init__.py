"""The films that operations deliver: real MP4 files of the size, length and sound that were asked for."""
