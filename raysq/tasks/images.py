"""The user's own images: a folder of files for each class, an archive of such folders, npz, IDX or csv."""

from raysq.problems.images.readers import format
from raysq.tasks.spaces import IMAGES
from raysq.tasks.task import Task

TASK = Task(
    name="images",
    problem="images",
    title="your own images: a folder of files for each class, a zip or tar of such, npz, IDX, or a csv of pixels",
    settings={
        "val": "0.2",
        "epochs": 20,
        "steps_per_epoch": None,
        "patience": 5,
        "batch_size": 64,
        "optimizer": "adam",
    },
    shows=(*format.IMAGES, *format.IDX, ".npz"),
    search_model="cnn",
    search=IMAGES,
)
