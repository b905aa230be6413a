import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmjax.data import DataFileError, is_unpaired_npz, load_npz, load_unpaired_npz

IMAGE = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
AUDIO = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
LABEL = np.array([0, 1, -1, 1], np.int8)
GOOD = {"image": IMAGE, "audio": AUDIO, "label": LABEL}
UNPAIRED = {
    "x1_labelled": np.zeros((3, 2)),
    "y1": np.array([0, 1, 1]),
    "x2_labelled": np.zeros((4, 5)),
    "y2": np.array([0, 1, 0, 2]),
    "x1_paired": np.ones((6, 2)),
    "x2_paired": np.ones((6, 5)),
}


@pytest.fixture
def write(tmp_path):
    def write(**arrays):
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return path

    return write


def message_of(load, path, **options) -> str:
    with pytest.raises(DataFileError) as caught:
        load(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_good_file_is_read_as_it_is(write):
    split = np.array([0, 1, 2, 0])
    data = load_npz(write(**GOOD, split=split, mask_audio=np.array([1, 0, 1, 1])))
    assert list(data.modalities) == ["image", "audio"]
    np.testing.assert_array_equal(data.modalities["image"], IMAGE)
    assert data.modalities["image"].dtype == np.uint8
    assert data.modalities["audio"].dtype == np.float32
    np.testing.assert_array_equal(data.label, LABEL)
    np.testing.assert_array_equal(data.split, split)
    np.testing.assert_array_equal(data.masks["audio"], [True, False, True, True])
    assert data.masks["image"].all()


def test_split_and_masks_are_optional(write):
    data = load_npz(write(**GOOD))
    assert data.split is None
    assert all(mask.all() for mask in data.masks.values())


def test_labels_may_be_whole_floats(write):
    data = load_npz(write(image=IMAGE, label=np.array([0.0, 1.0, 2.0, -1.0])))
    np.testing.assert_array_equal(data.label, [0, 1, 2, -1])


def test_named_modalities_leave_other_arrays_unread(write):
    path = write(**GOOD, class_names=np.array(["cat", "dog"]), pickled=np.array([{}], object))
    assert list(load_npz(path, modalities=["audio"]).modalities) == ["audio"]
    assert "class_names" in message_of(load_npz, path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": None}, ["no array 'label'", "image, audio"]),
        ({"image": None, "audio": None}, ["no modality", "holds label"]),
        ({"audio": AUDIO[:3]}, ["'audio' has 3 samples", "'label' 4"]),
        ({"audio": np.array(["a", "b", "c", "d"])}, ["'audio'", "<U1", "real numbers"]),
        ({"audio": AUDIO.astype(np.complex64)}, ["'audio'", "complex64"]),
        ({"audio": np.where(AUDIO > 0.9, np.nan, AUDIO)}, ["'audio' holds nan in sample 3", "mask_audio"]),
        ({"audio": np.where(AUDIO < -0.9, np.inf, AUDIO)}, ["'audio' holds inf in sample 0"]),
        ({"audio": np.float32(3)}, ["'audio' is a single number"]),
        ({"audio": np.zeros((4, 0))}, ["'audio' is empty", "(4, 0)"]),
        ({"image": IMAGE[:0], "audio": AUDIO[:0], "label": LABEL[:0]}, ["'label' is empty"]),
        ({"label": np.array([0, 0.5, 1, 1])}, ["'label' holds 0.5", "whole"]),
        ({"label": np.array([0, 1, np.nan, 1])}, ["'label' holds nan in sample 2"]),
        ({"label": np.array([0, 1, 1e300, 1])}, ["'label' holds 1e+300", "whole"]),
        ({"label": np.array([0, 1, 2**64 - 1, 1], np.uint64)}, ["'label' holds 18446744073709551615"]),
        ({"label": np.array([0, 1, -2, 1])}, ["'label' holds -2", "-1 where unlabelled"]),
        ({"label": np.array([1, 1, -1, 1])}, ["'label' has only class 1", "two classes"]),
        ({"label": np.full(4, -1)}, ["'label' has no labelled sample"]),
        ({"label": np.eye(4)}, ["'label' has shape (4, 4)", "(n,)"]),
        ({"split": np.array([0, 1, 2, 3])}, ["'split' holds 3", "0 train, 1 valid, 2 test"]),
        ({"split": np.array([0, 1, 2])}, ["'split' has 3 samples"]),
        ({"mask_text": np.ones(4)}, ["'mask_text' is the mask of no modality", "image, audio"]),
        ({"mask_audio": np.array([0, 1, 2, 1])}, ["'mask_audio' holds 2", "0 absent, 1 present"]),
        ({"mask_audio": np.ones((4, 2))}, ["'mask_audio' has shape (4, 2)"]),
        ({"label": np.array([{}, 1, 0, 1], object)}, ["'label' cannot be read", "numpy.savez"]),
    ],
)
def test_every_defect_is_one_line_that_names_it(write, change, words):
    arrays = {name: array for name, array in (GOOD | change).items() if array is not None}
    message = message_of(load_npz, write(**arrays))
    for word in words:
        assert word in message


def test_an_unknown_modality_lists_those_of_the_file(write):
    message = message_of(load_npz, write(**GOOD), modalities=["image", "text"])
    assert "no modality text" in message
    assert "image, audio" in message


def test_what_is_no_npz_file_is_refused(tmp_path, write):
    assert "No such file" in message_of(load_npz, tmp_path / "absent.npz")
    assert "Is a directory" in message_of(load_npz, tmp_path)
    text = tmp_path / "text.npz"
    text.write_text("label,1\n")
    assert "no npz file" in message_of(load_npz, text)
    text.write_bytes(b"")
    assert "no npz file" in message_of(load_npz, text)
    text.write_bytes(b"PK hello")
    assert "no npz file" in message_of(load_npz, text)
    single = tmp_path / "single.npy"
    np.save(single, LABEL)
    assert "no npz file" in message_of(load_npz, single)


def test_a_truncated_or_damaged_file_is_refused_at_every_length(write):
    path = write(**GOOD)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        assert message_of(load_npz, path)
    start = whole.index(AUDIO.tobytes())
    path.write_bytes(whole[:start] + b"\xff" + whole[start + 1 :])
    assert "'audio' cannot be read" in message_of(load_npz, path)


def test_a_pickle_is_never_executed(tmp_path):
    trap = tmp_path / "executed"

    class Trap:
        def __reduce__(self):
            return Path.touch, (trap,)

    path = tmp_path / "trap.npz"
    np.savez(path, image=IMAGE, label=np.array([Trap(), 1, 0, 1], object))
    message_of(load_npz, path)
    path.write_bytes(pickle.dumps(Trap()))
    message_of(load_npz, path)
    assert not trap.exists()


def test_a_member_that_is_no_array_is_refused(tmp_path):
    path = tmp_path / "mixed.npz"
    np.savez(path, **GOOD)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes", "hello")
    assert "'notes' is no array" in message_of(load_npz, path)
    assert load_npz(path, modalities=["image"]).modalities["image"].shape == (4, 3, 2)


def test_the_papers_setting_is_read(write):
    path = write(**UNPAIRED)
    data = load_unpaired_npz(path)
    for name, array in UNPAIRED.items():
        np.testing.assert_array_equal(getattr(data, name), array)
    assert is_unpaired_npz(path)


def test_the_two_kinds_of_file_are_told_apart(write):
    assert not is_unpaired_npz(write(**GOOD))
    assert is_unpaired_npz(write(x1_labelled=np.zeros(3)))
    assert not is_unpaired_npz(write(x1_labelled=np.zeros(3), label=np.zeros(3)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y2": None, "x1_paired": None}, ["no array y2, x1_paired", "the file holds x1_labelled"]),
        ({"y1": np.array([0, 1])}, ["'x1_labelled' has 3 samples and 'y1' 2", "must agree"]),
        ({"x2_paired": np.ones((5, 5))}, ["'x2_paired' has 5 samples and 'x1_paired' 6"]),
        ({"x2_paired": np.ones((6, 4))}, ["x2_labelled has shape (5,)", "x2_paired (4,)"]),
        ({"y1": np.array([0, -1, 1])}, ["'y1' holds -1", "all samples labelled"]),
        ({"y1": np.array([1, 1, 1])}, ["'y1' has only class 1"]),
    ],
)
def test_every_defect_of_an_unpaired_file_is_one_line(write, change, words):
    arrays = {name: array for name, array in (UNPAIRED | change).items() if array is not None}
    message = message_of(load_unpaired_npz, write(**arrays))
    for word in words:
        assert word in message


def test_real_files_are_read(reference):
    data = load_npz(reference / "data" / "mfeat.npz")
    assert sorted(data.modalities) == ["fac", "fou", "kar", "mor", "pix", "zer"]
    assert len(data.label) == 2000
    images = load_npz(reference / "data" / "avmnist_mini.npz", modalities=("image", "audio"))
    assert images.modalities["audio"].shape == (12000, 32, 32)
