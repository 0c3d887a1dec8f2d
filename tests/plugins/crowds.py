"""Random truth and results with everything that evaluation must cope with."""

import numpy as np


def crowded(seed, classes, joints, ties):
    """Objects of all sizes, crowds, objects without joints, images without any, detections near and far."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(1, 41):
        for _ in range(rng.integers(0, 5)):
            (x, y), (width, height) = rng.uniform(0, 400, 2), np.exp(rng.uniform(2, 6, 2))
            points = np.c_[rng.uniform(x, x + width, joints), rng.uniform(y, y + height, joints), rng.integers(0, 3, joints)]
            points[:, 2] *= rng.random() > 0.15
            record = {"id": len(annotations) + 1, "image_id": image, "category_id": int(rng.integers(1, classes + 1))}
            record.update(bbox=[x, y, width, height], area=width * height / 2, iscrowd=int(rng.random() < 0.15))
            annotations.append({**record, "keypoints": points.ravel().tolist(), "num_keypoints": int((points[:, 2] > 0).sum())})
            for _ in range(rng.integers(0, 4)):
                noise, size = rng.uniform(0.01, 0.2), np.sqrt(width * height)
                moved = np.c_[points[:, :2] + rng.normal(0, noise * size, (joints, 2)), np.ones(joints)]
                box = (np.array(record["bbox"]) + rng.normal(0, noise / 2, 4) * size).clip(0)
                score = round(rng.random(), 1 if ties else 9)
                class_and_image = {key: record[key] for key in ("image_id", "category_id")}
                results.append({**class_and_image, "bbox": box.tolist(), "score": score, "keypoints": moved.ravel().tolist()})
    categories = [{"id": number, "name": str(number)} for number in range(1, classes + 1)]
    images = [{"id": number, "width": 900, "height": 900} for number in range(1, 41)]
    return {"images": images, "annotations": annotations, "categories": categories}, results
