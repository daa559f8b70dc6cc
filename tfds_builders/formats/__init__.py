"""Readers of file formats, which know no dataset."""
