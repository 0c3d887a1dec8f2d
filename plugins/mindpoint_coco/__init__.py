"""Data in COCO's form: files, MindRecord, metrics, transforms, data commands."""
