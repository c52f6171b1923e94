"""Types of settings that several problems share. Values out of range are refused before a model is built."""

from typing import Annotated

from raysq.config import Range

Count = Annotated[int, Range(least=1)]
OptionalCount = Annotated[int | None, Range(least=1)]
Rate = Annotated[float, Range(least=0, below=1)]  # Keras's recurrent layers clip dropout rates without an error
