"""The command line: flags to specs and options, flows' results to lines and documents."""
