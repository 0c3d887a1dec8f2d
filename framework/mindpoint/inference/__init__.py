"""From a trained model and images to detections."""
