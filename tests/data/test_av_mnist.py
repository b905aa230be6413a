import gzip
import struct
import subprocess
import sys

import jax
import numpy as np
import pytest
from scipy.io import wavfile

from mmjax.data import PRESETS, DataFileError, PrefetchedBatches, TfdsSource, check_preset
from mmjax.data.builders import prepare_av_mnist
from mmjax.data.builders._av_mnist_raw import read_parts
from mmjax.data.builders._av_mnist_signals import LogMel, noisy, reduced_images

SMALL = LogMel(num_bands=32, hop=256, fft_size=512)
LARGE = LogMel(num_bands=112, hop=72, fft_size=2048)
NUM_IMAGES = {"train": 24, "t10k": 10}
SIZES = {"train": 22, "valid": 2, "test": 10}
TAKES = {"train": (10, 49), "valid": (5,), "test": (0, 4)}


def write_idx(path, array):
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def digits_of(part):
    return (np.arange(NUM_IMAGES[part]) % 10).astype(np.uint8)


def images_of(part):
    """Blobs whose place is the digit."""
    x = np.arange(28)
    blobs = [np.exp(-0.1 * ((x[:, None] - 14) ** 2 + (x[None] - 3 - 2 * digit) ** 2)) for digit in digits_of(part)]
    return np.rint(255 * np.stack(blobs)).astype(np.uint8)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    for part in NUM_IMAGES:
        write_idx(folder / f"{part}-images-idx3-ubyte", images_of(part))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", digits_of(part))
    (folder / "recordings").mkdir()
    (folder / "recordings" / "README.md").write_text("no recording")
    for digit in range(10):
        tone = np.rint(9000 * np.sin(np.arange(3000) * (0.1 + 0.2 * digit))).astype(np.int16)
        for take in sum(TAKES.values(), ()):
            wavfile.write(folder / "recordings" / f"{digit}_ann_{take}.wav", 8000, tone)
    return folder


@pytest.fixture(scope="module")
def builder(raw, tmp_path_factory):
    return prepare_av_mnist(raw, tmp_path_factory.mktemp("tfds"), size=32)


@pytest.mark.parametrize("part", SIZES)
def test_a_part_pairs_digits_within_itself(builder, part):
    examples = builder.as_data_source(part)
    assert len(examples) == SIZES[part]
    indices = [example["mnist_index"] for example in examples]
    offset = 22 if part == "valid" else 0
    assert sorted(indices) == list(range(offset, offset + SIZES[part]))
    for example in examples:
        digit, _, take = example["recording"].decode().removesuffix(".wav").split("_")
        assert int(digit) == example["label"] == example["mnist_index"] % 10
        assert int(take) in TAKES[part]


def test_both_modalities_tell_the_digit(builder):
    data = {part: TfdsSource(builder.as_data_source(part), ["image", "audio"]) for part in SIZES}
    train, test = (data[part][np.arange(len(data[part]))] for part in ("train", "test"))
    assert train.modalities["audio"].shape == (22, 32, 32)
    for name in ("image", "audio"):
        # The level of a band in the mean over frames: a tone has one place, whenever it sounds.
        features = [
            part.modalities[name].astype(float).reshape(len(part.label), 32 if name == "audio" else 784, -1)
            for part in (train, test)
        ]
        points = [x.mean(-1) for x in features]
        distance = np.square(points[1][:, None] - points[0][None]).sum(-1)
        nearest = train.label[distance.argmin(1)]
        assert np.mean(nearest == test.label) > 0.5


def test_batches_are_read_from_the_builder(builder):
    source = TfdsSource(builder.as_data_source("test"), ["image"])
    everything = source[np.arange(10)]
    with PrefetchedBatches(source, jax.random.key(0), batch_size=4) as batches:
        epoch = [next(batches) for _ in range(3)]
    images = np.concatenate([batch.modalities["image"][batch.weight > 0] for batch in epoch])
    assert images.shape == (10, 28, 28)
    assert {image.tobytes() for image in images.astype(np.uint8)} == {
        image.tobytes() for image in everything.modalities["image"]
    }


def test_building_again_gives_the_same(builder, raw, tmp_path):
    again = prepare_av_mnist(raw, tmp_path, size=32)
    for first, second in zip(builder.as_data_source("valid"), again.as_data_source("valid"), strict=True):
        np.testing.assert_array_equal(first["audio"], second["audio"])
        assert first["recording"] == second["recording"]


def test_what_is_prepared_needs_no_raw_files(builder, tmp_path):
    found = prepare_av_mnist(tmp_path / "nowhere", builder.data_dir_root, size=32)
    assert len(found.as_data_source("test")) == 10


def test_the_published_shapes_are_the_preset(raw, tmp_path):
    source = TfdsSource(prepare_av_mnist(raw, tmp_path).as_data_source("valid"), ["image", "audio"])
    check_preset(source[np.arange(2)], PRESETS["av_mnist"])


def test_other_sizes_are_refused(raw, tmp_path):
    with pytest.raises(ValueError, match="size must be one of 112, 32; got 64"):
        prepare_av_mnist(raw, tmp_path, size=64)


def test_no_tensorflow_is_imported(raw, tmp_path):
    program = f"""
import sys
from mmjax.data.builders import prepare_av_mnist
source = prepare_av_mnist({str(raw)!r}, {str(tmp_path)!r}, size=32).as_data_source("valid")
print(len(source), "tensorflow" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "2 False"


def test_the_room_of_data_does_not_import_tfds():
    program = "import mmjax.data, sys; print('tensorflow_datasets' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "False", run.stderr


@pytest.fixture
def copied(raw, tmp_path):
    """A folder of links to the raw files, which a test may spoil."""
    folder = tmp_path / "copied"
    (folder / "recordings").mkdir(parents=True)
    for path in raw.rglob("*"):
        if path.is_file():
            (folder / path.relative_to(raw)).symlink_to(path)
    return folder


def replace(path, content=None):
    path.unlink()
    if content is not None:
        path.write_bytes(content)


def message_of(call) -> str:
    with pytest.raises(DataFileError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named_with_the_place_looked_at(copied, tmp_path):
    replace(copied / "t10k-images-idx3-ubyte")
    message = message_of(lambda: prepare_av_mnist(copied, tmp_path / "tfds", size=32))
    assert message.startswith(f"{copied}: no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz")
    assert message_of(lambda: prepare_av_mnist(tmp_path / "nowhere", tmp_path / "tfds", size=32)).startswith(
        f"{tmp_path / 'nowhere'}: no such folder"
    )


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("recordings/7_ann_5.wav", None, "no 7_<speaker>_<take>.wav of take 5 to 9; valid needs one of every digit"),
        ("recordings/7_ann_5.wav", b"RIFF", "7_ann_5.wav: cannot be read"),
        ("train-labels-idx1-ubyte.gz", b"\x1f\x8b", "cannot be read"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x01\0\0\0\0", "no idx file of bytes of rank 3"),
        ("train-images-idx3-ubyte", struct.pack(">HBB3I", 0, 8, 3, 24, 28, 28), "sizes (24, 28, 28) with 0 bytes"),
        ("train-images-idx3-ubyte", struct.pack(">HBB3I", 0, 8, 3, 0, 28, 28), "train has 0 images and 24 labels"),
    ],
)
def test_a_spoilt_file_is_named(copied, name, content, expected):
    replace(copied / name, content)
    message = message_of(lambda: read_parts(copied))
    assert message.startswith(str(copied))
    assert expected in message


def test_recordings_of_another_rate_are_refused(copied):
    path = copied / "recordings" / "7_ann_5.wav"
    replace(path)
    wavfile.write(path, 16000, np.ones(9, np.int16))
    assert "16000 Hz, int16, shape (9,); expected 8000 Hz" in message_of(lambda: read_parts(copied))


def test_too_few_images_are_refused(copied):
    for name, shape in (("images-idx3-ubyte", (11, 28, 28)), ("labels-idx1-ubyte.gz", (11,))):
        replace(copied / f"train-{name}")
        write_idx(copied / f"train-{name}", np.zeros(shape, np.uint8))
    assert "11 training images; expected 12 or more" in message_of(lambda: read_parts(copied))


def test_a_folder_without_recordings_is_named(raw, tmp_path):
    for path in raw.glob("*ubyte*"):
        (tmp_path / path.name).symlink_to(path)
    assert message_of(lambda: read_parts(tmp_path)).startswith(f"{tmp_path / 'recordings'}: no such folder")


def test_images_keep_the_fewest_components_of_a_quarter_of_the_variance():
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(16, 16)))[0][:3]
    # Variances in proportion 0.2, 0.2 and 0.6 along three directions: one component is enough, the largest.
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    images = np.rint(128 + signs * 100 * np.sqrt([0.2, 0.2, 0.6]) @ basis).astype(np.uint8).reshape(-1, 4, 4)
    (reduced,) = reduced_images([images], images)
    expected = 128 + signs[:, 2:] * 100 * np.sqrt(0.6) * basis[2:]
    assert np.abs(reduced.reshape(-1, 16) - expected).max() < 3
    np.testing.assert_array_equal(reduced_images([images[:1]], images[:1])[0], images[:1])


def test_images_are_those_of_the_stored_copy(reference):
    """The copy is made by the same recipe and then coarsened to steps of 4."""
    with np.load(reference / "data" / "mnist.npz") as mnist, np.load(reference / "data" / "avmnist_mini.npz") as copy:
        chosen = copy["mnist_index"][:100]
        (reduced,) = reduced_images([mnist["train_image"][chosen]], mnist["train_image"])
        assert np.abs(reduced.astype(int) - copy["image"][:100]).max() < 4


def test_a_tone_is_in_its_band_and_silence_is_0():
    time = np.arange(SMALL.num_samples) / 8000
    for log_mel in (SMALL, LARGE):
        time = np.arange(log_mel.num_samples) / 8000
        spectrogram = log_mel(0.1 * np.sin(2 * np.pi * 1000 * time))
        assert spectrogram.shape == (log_mel.num_bands,) * 2
        assert spectrogram.dtype == np.uint8
        # 1000 Hz is 1000 mel; 50 and 4000 Hz are 77.75 and 2146.06.
        position = (999.99 - 77.75) / (2146.06 - 77.75) * (log_mel.num_bands + 1) - 1
        assert (np.abs(spectrogram.argmax(0) - position) <= 1).all()
        assert not log_mel(np.zeros(log_mel.num_samples)).any()


def test_every_band_of_noise_is_heard():
    sound = np.random.default_rng(0).normal(size=LARGE.num_samples)
    assert LARGE(sound).min() > 0


def test_noise_is_pink_and_louder_than_the_recording():
    random = np.random.default_rng(0)
    silence = np.zeros(100, np.int16)
    sounds = np.stack([noisy(random, silence, 4096) for _ in range(200)])
    decibels = 20 * np.log10(np.sqrt(np.mean(sounds**2, axis=1)) / 0.1)
    assert 2.5 <= decibels.min() < 3.5 and 11.5 < decibels.max() <= 12.5
    power = np.mean(np.abs(np.fft.rfft(sounds)) ** 2, axis=0)
    assert power[10:20].mean() / power[100:200].mean() == pytest.approx(10, rel=0.2)


def test_a_recording_is_heard_once_and_cut_where_too_long():
    tone = np.rint(30000 * np.sin(np.arange(500))).astype(np.int16)
    with_tone, without = (noisy(np.random.default_rng(1), samples, 2000) for samples in (tone, np.zeros(500, np.int16)))
    clip = with_tone - without
    assert np.sqrt(np.sum(clip**2) / 500) == pytest.approx(0.1)
    assert np.ptp(np.flatnonzero(np.abs(clip) > 1e-9)) <= 499
    assert noisy(np.random.default_rng(1), np.tile(tone, 9), 2000).shape == (2000,)
