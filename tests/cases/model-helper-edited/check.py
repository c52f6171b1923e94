import glob, os, keras
widths = [model.layers[1].units for model in (keras.models.load_model(p) for p in glob.glob(os.environ["RAYSQ_HOME"] + "/runs/*/model.keras"))]
print("right" if sorted(widths) == [4, 17] else f"wrong: {widths}")
