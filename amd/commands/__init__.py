"""The longer commands of the command line, one a file."""
