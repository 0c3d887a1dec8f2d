"""Files, images and folders on disk: read strictly, written atomically."""
