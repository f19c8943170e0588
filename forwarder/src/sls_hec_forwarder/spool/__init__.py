"""Dead letters on disk: the record of one, the files that hold them, and the locks on those files."""
