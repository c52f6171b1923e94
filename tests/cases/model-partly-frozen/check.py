import os, keras, numpy as np
model = keras.models.load_model(os.environ["RAYSQ_HOME"] + "/runs/run/model.keras")
frozen = model.get_layer("frozen").get_weights()[0]
print("right" if (frozen == 1).all() and not model.get_layer("frozen").trainable else f"wrong: {frozen[:2]}")
