import os, keras, numpy as np
model = keras.models.load_model(os.environ["RAYSQ_HOME"] + "/runs/run/model.keras")
shape = (3, *model.input_shape[1:])
out = np.asarray(model(np.zeros(shape, "float32")))
print("right" if out.shape == (3, 1) and np.isfinite(out).all() else f"wrong: {out.shape}")
