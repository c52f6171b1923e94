"""Layers that several problems share."""

from raysq.layers.attention import DotAttention, MultiHeadDotAttention, attention_weights, multi_head_attention
from raysq.layers.bag import BagDense
from raysq.layers.bigrams import BigramTable
from raysq.layers.constant import Constant
from raysq.layers.interpolation import LinearInterpolation
from raysq.layers.one_hot import OneHotConv1D
from raysq.layers.padding import LeadingZeros
from raysq.layers.persistence import Persistence
from raysq.layers.portable import to_keras
from raysq.layers.recurrent import GRU, LSTM, SimpleRNN
from raysq.layers.versions import LayerVersion, convolution_arguments, recurrent_layer
from raysq.layers.word_by_word import WordByWord
from raysq.layers.word_dropout import WordDropout
from raysq.layers.word_sampling import WordSampling

__all__ = [
    "GRU",
    "LSTM",
    "BagDense",
    "BigramTable",
    "Constant",
    "DotAttention",
    "LayerVersion",
    "LeadingZeros",
    "LinearInterpolation",
    "MultiHeadDotAttention",
    "OneHotConv1D",
    "Persistence",
    "SimpleRNN",
    "WordByWord",
    "WordDropout",
    "WordSampling",
    "attention_weights",
    "convolution_arguments",
    "multi_head_attention",
    "recurrent_layer",
    "to_keras",
]
