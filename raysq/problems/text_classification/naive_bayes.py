"""Multinomial naive Bayes over bags of words: a reference that is solved and not trained.

Source: McCallum and Nigam 1998, "A Comparison of Event Models for Naive Bayes Text Classification".
"""

from collections.abc import Sequence

import numpy as np

MOST_CELLS = 1 << 24  # of the table of words by class
_LEAST_PRIOR = 1e-9  # of a class without training documents


def fits(classes: int, features: int) -> bool:
    """Whether the table of words by class is small enough."""
    return classes * features <= MOST_CELLS


def log_odds(counts: np.ndarray, priors: Sequence[float], first: int, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of each id and the bias of each output.

    Args:
        counts: occurrences of each id in the documents of each class, shape (classes, features). Of several labels,
            shape (2, labels, features): in documents without and with each label.
        priors: share of each class among the training documents.
        first: id of the first word. Smaller ids are padding and special tokens, which weigh nothing.
        alpha: occurrences that are added to each.

    Returns:
        float32 of shape (features, outputs) and (outputs,). The only output of two classes is the log odds of the
        second, and that of a label the log odds of having it. Others are log probabilities less their mean over the
        classes, which a softmax does not see.
    """
    if counts.ndim == 3:
        pairs = [log_odds(counts[:, n], [1 - prior, prior], first, alpha) for n, prior in enumerate(priors)]
        return np.concatenate([kernel for kernel, _ in pairs], 1), np.concatenate([bias for _, bias in pairs])
    smoothed = counts[:, first:] + alpha
    words = np.log(smoothed) - np.log(smoothed.sum(1, keepdims=True))
    bias = np.log(np.maximum(priors, _LEAST_PRIOR))
    if len(words) == 2:
        words, bias = words[1:] - words[:1], bias[1:] - bias[:1]
    else:
        words = words - words.mean(0)
    kernel = np.zeros((counts.shape[1], len(words)), np.float32)
    kernel[first:] = words.T
    return kernel, bias.astype(np.float32)
