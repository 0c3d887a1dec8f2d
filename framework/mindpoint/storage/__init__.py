"""Files, images and folders on disk: read strictly, written in one piece."""
