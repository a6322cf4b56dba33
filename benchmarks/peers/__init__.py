"""Other ways to the same verdict, written from their published descriptions, to stand beside ours."""
