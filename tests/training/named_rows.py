"""Examples with two inputs and two outputs by name, in memory, as several tests train them."""

import numpy as np

ROWS = 37


class NamedRows:
    """Inputs "size" (4 numbers) and "kind" (an id below 5), outputs "price" (2 numbers) and "sold" (a class of 3).

    Args:
        weights: weight of each example, or None.
        masked: whether some prices were not observed.
    """

    nbytes = 100

    def __init__(self, weights: np.ndarray | None = None, masked: bool = False, rows: int = ROWS, seed: int = 3):
        random = np.random.default_rng(seed)
        self.size = random.normal(size=(rows, 4)).astype(np.float32)
        self.kind = random.integers(0, 5, rows).astype(np.int32)
        self.price = random.normal(size=(rows, 2)).astype(np.float32) + self.kind[:, None]
        self.sold = random.integers(0, 3, (rows, 1)).astype(np.int32)
        self.observed = (random.random((rows, 2)) < 0.6).astype(np.float32)
        if weights is not None:
            self.weights = weights
        if masked:
            self.shares = {"price": self.observed.mean(1)}

    def __len__(self):
        return len(self.kind)

    def arrays(self):
        return {name: getattr(self, name) for name in ("size", "kind", "price", "sold", "observed")}

    def mapped(self):
        return self.arrays()

    def gather(self, indices, arrays, take):
        values = {name: take(array, indices) for name, array in arrays.items()}
        x = {"size": values["size"], "kind": values["kind"]}
        y = {"price": values["price"], "sold": values["sold"]}
        if hasattr(self, "shares"):
            return x, y, {"price": values["observed"], "sold": None}
        return x, y
