"""Dead letters on disk: the record of one, the files that hold them, and who may touch these when."""
