"""Model parts that several kinds share."""

from raysq.layers.bag import BagDense
from raysq.layers.constant import Constant
from raysq.layers.one_hot import OneHotConv1D
from raysq.layers.padding import LeadingZeros
from raysq.layers.persistence import Persistence
from raysq.layers.portable import is_portable, portable
from raysq.layers.recurrent import GRU, LSTM, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "BagDense",
    "Constant",
    "LeadingZeros",
    "OneHotConv1D",
    "Persistence",
    "SimpleRNN",
    "is_portable",
    "portable",
]
