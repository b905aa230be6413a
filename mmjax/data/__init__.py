"""Data: sources that hand multimodal samples to the rest of the library as checked arrays, and generators."""

from mmjax.data._array_file import DataFileError
from mmjax.data._generative import GENERATIVE_RATIOS, GenerativeData, generative_data
from mmjax.data._npz import (
    MultimodalData,
    UnpairedData,
    is_unpaired_npz,
    load_npz,
    load_unpaired_npz,
)

__all__ = [
    "GENERATIVE_RATIOS",
    "DataFileError",
    "GenerativeData",
    "MultimodalData",
    "UnpairedData",
    "generative_data",
    "is_unpaired_npz",
    "load_npz",
    "load_unpaired_npz",
]
