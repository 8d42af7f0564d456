"""The baseline: a Keras model behind Flask, as the course's app serves it.

``python -m tests.bench.course_server MODEL.keras PHOTOGRAPH PORT SIZE SCALING``: /test reads the photograph from
disk, resizes it with Keras' own tools and calls ``model.predict``, in Flask's own threaded server.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def main() -> None:
    import keras
    import numpy as np
    from flask import Flask, Response, jsonify

    from foodbench.data.dataset import FOOD11_CLASSES
    from foodbench.imaging import scale

    path, photograph, port, size, scaling = sys.argv[1:]
    model = keras.models.load_model(path, compile=False)
    app = Flask("course")

    @app.route("/test")
    def test() -> Response:
        image = keras.utils.load_img(photograph, target_size=(int(size), int(size)))
        pixels = np.expand_dims(keras.utils.img_to_array(image), 0).astype(np.uint8)
        probabilities = model.predict(scale(pixels, scaling), verbose=0)[0]  # type: ignore[arg-type]
        best = int(probabilities.argmax())
        return jsonify({"class": FOOD11_CLASSES[best], "probability": float(probabilities[best])})

    app.run(host="127.0.0.1", port=int(port), threaded=True)


if __name__ == "__main__":
    main()
