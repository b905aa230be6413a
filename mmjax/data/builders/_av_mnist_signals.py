"""Builders, signals of AV-MNIST: what makes its images and sounds hard, and what its spectrograms are."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import windows

from mmjax.data.builders._av_mnist_raw import SAMPLE_RATE

KEPT_VARIANCE = 0.25
SIGNAL_TO_NOISE = (-12.5, -2.5)
"""Range of decibels."""

_LOUDNESS = 0.1
_FRAME = 400
_LOWEST, _HIGHEST = 50.0, 4000.0
_FLOOR = 1e-6
_DECIBELS = (-40.0, 40.0)

Samples = NDArray[np.float64]


def reduced_images(parts: Sequence[NDArray[np.uint8]], fit: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Project images to the fewest principal components of `fit` that hold a quarter of its variance.

    Args:
      parts: images (n, ...).
      fit: images (m, ...), at least one.

    Returns:
      the projections, rounded and clipped to 0 to 255.
    """
    flat = fit.reshape(len(fit), -1).astype(np.float32)
    mean = flat.mean(0)
    flat -= mean
    variances, axes = np.linalg.eigh((flat.T @ flat).astype(np.float64))
    held = np.cumsum(variances[::-1])
    num_kept = 1 + np.searchsorted(held, KEPT_VARIANCE * held[-1])
    kept = axes[:, ::-1][:, :num_kept].astype(np.float32)
    return [_projected(images, mean, kept) for images in parts]


def noisy(random: np.random.Generator, samples: NDArray[np.int16], num_samples: int) -> Samples:
    """Place a recording at random in pink noise (power 1/f), 2.5 to 12.5 dB louder than itself.

    Args:
      random: source of the place, the noise and its loudness.
      samples: (n,), cut where longer than the result.
      num_samples: length of the result.

    Returns:
      (num_samples,); the recording has root mean square 0.1.
    """
    clip = _LOUDNESS * _normalised(samples[:num_samples].astype(np.float64))
    start = random.integers(num_samples - len(clip) + 1)
    decibels = random.uniform(*SIGNAL_TO_NOISE)
    sound = _LOUDNESS * 10 ** (-decibels / 20) * _pink(random, num_samples)
    sound[start : start + len(clip)] += clip
    return sound


@dataclasses.dataclass(frozen=True)
class LogMel:
    """A spectrogram of as many frames as bands, in decibels from -40 to 40 as bytes."""

    num_bands: int
    """Bands, equally wide in mel from 50 to 4000 Hz; and frames."""
    hop: int
    """Samples from one frame of 400 to the next."""
    fft_size: int
    """Samples of a frame with the zeros that fill it up; enough that no band falls between two frequencies."""

    @property
    def num_samples(self) -> int:
        """Samples of sound that the frames cover."""
        return _FRAME + self.hop * (self.num_bands - 1)

    def __call__(self, sound: Samples) -> NDArray[np.uint8]:
        """Return the spectrogram (num_bands, frames) of sound (num_samples,), lowest band first."""
        frames = np.lib.stride_tricks.sliding_window_view(sound, _FRAME)[:: self.hop]
        spectrum = np.fft.rfft(frames * windows.hann(_FRAME, sym=False), self.fft_size)
        power = _mel_filters(self.num_bands, self.fft_size) @ np.square(np.abs(spectrum)).T
        low, high = _DECIBELS
        level = (10 * np.log10(power + _FLOOR) - low) / (high - low)
        return np.rint(255 * np.clip(level, 0, 1)).astype(np.uint8)


@functools.cache
def _mel_filters(num_bands: int, fft_size: int) -> Samples:
    """Return triangles (num_bands, fft_size // 2 + 1) of height 1 on the mel scale 2595 log10(1 + f / 700)."""
    lowest, highest = 2595 * np.log10(1 + np.array([_LOWEST, _HIGHEST]) / 700)
    edges = 700 * (10 ** (np.linspace(lowest, highest, num_bands + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(fft_size, 1 / SAMPLE_RATE)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.maximum(0, np.minimum((frequency - left) / (centre - left), (right - frequency) / (right - centre)))


def _projected(images: NDArray[np.uint8], mean: NDArray[np.float32], axes: NDArray[np.float32]) -> NDArray[np.uint8]:
    flat = images.reshape(len(images), -1) - mean
    return np.rint(np.clip(mean + flat @ axes @ axes.T, 0, 255)).astype(np.uint8).reshape(images.shape)


def _pink(random: np.random.Generator, num_samples: int) -> Samples:
    frequency = np.arange(num_samples // 2 + 1)
    amplitude = np.concatenate([[0], 1 / np.sqrt(frequency[1:])])
    phases = random.normal(size=(2, len(frequency)))
    return _normalised(np.fft.irfft(amplitude * (phases[0] + 1j * phases[1]), num_samples))


def _normalised(sound: Samples) -> Samples:
    """Bring sound to root mean square 1; silence stays."""
    loudness = np.sqrt(np.mean(np.square(sound)))
    return sound / loudness if loudness > 0 else sound
