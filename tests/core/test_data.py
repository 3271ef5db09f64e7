"""Digits, CIFAR through torchvision, folders of images, and the augmentation."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

import samlib
from samlib.data import flip_and_crop, split


def test_digits_are_images_in_the_unit_range_split_by_class(device):
    x_train, y_train, x_test, y_test = samlib.load_digits()
    assert (x_train.shape, x_test.shape) == ((1200, 1, 8, 8), (597, 1, 8, 8))
    assert (x_train.dtype, y_train.dtype) == (torch.float32, torch.int64)
    assert (x_train.min(), x_train.max()) == (0, 1)
    shares = torch.bincount(y_train) / 1200 - torch.bincount(y_test) / 597
    assert shares.abs().max() < 0.002


def test_the_split_follows_its_seed_and_loses_nothing():
    again, other = samlib.load_digits(), samlib.load_digits(seed=1)
    assert all(torch.equal(a, b) for a, b in zip(samlib.load_digits(), again, strict=True))
    assert not torch.equal(again[0], other[0])
    for x_train, _, x_test, _ in (again, other):
        assert torch.cat([x_train, x_test]).sum() == torch.cat([again[0], again[2]]).sum()


def test_a_validation_part_can_be_set_aside(digits):
    x, _, x_validation, y_validation = split(*digits[:2], 200, seed=3)
    assert (len(x), len(x_validation)) == (1000, 200)
    assert (torch.bincount(y_validation) - 20).abs().max() <= 1


def write_cifar(root, monkeypatch, dataset, folder, files, labels):
    """A CIFAR archive, unpacked, of made images; torchvision checks it against the checksums of these files."""
    base = root / folder
    base.mkdir()
    checksums = {}
    rng = np.random.default_rng(0)
    for name in files:
        content = {"data": rng.integers(0, 256, (20, 3072), dtype=np.uint8), labels: list(range(10)) * 2}
        (base / name).write_bytes(pickle.dumps(content))
    classes = [str(i) for i in range(10)]
    meta = dataset.meta["filename"]
    (base / meta).write_bytes(pickle.dumps({dataset.meta["key"]: classes}))
    for name in [*files, meta]:
        checksums[name] = hashlib.md5((base / name).read_bytes()).hexdigest()
    monkeypatch.setattr(dataset, "train_list", [[name, checksums[name]] for name in files[:-1]])
    monkeypatch.setattr(dataset, "test_list", [[files[-1], checksums[files[-1]]]])
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": checksums[meta]})
    return base


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_comes_through_torchvision_with_its_checksums(tmp_path, monkeypatch, name):
    if name == "cifar10":
        dataset, load = torchvision.datasets.CIFAR10, samlib.load_cifar10
        files = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
        base = write_cifar(tmp_path, monkeypatch, dataset, "cifar-10-batches-py", files, "labels")
    else:
        dataset, load = torchvision.datasets.CIFAR100, samlib.load_cifar100
        files = ["train", "test"]
        base = write_cifar(tmp_path, monkeypatch, dataset, "cifar-100-python", files, "fine_labels")
    x_train, y_train, x_test, _ = load(tmp_path, download=False)
    assert x_train.shape == (20 * (len(files) - 1), 3, 32, 32)
    assert x_test.shape == (20, 3, 32, 32)
    assert (x_train.dtype, y_train.dtype) == (torch.float32, torch.int64)
    assert 0 <= x_train.min() < x_train.max() <= 1
    stored = pickle.loads((base / files[-1]).read_bytes())["data"]
    assert x_test[3, 1, 2, 4].item() == pytest.approx(stored[3, 1024 + 2 * 32 + 4] / 255)

    with open(base / files[-1], "ab") as file:
        file.write(b"x")  # a damaged file is noticed
    with pytest.raises(OSError, match=r"CIFAR10+ is not in root=.*connection"):
        load(tmp_path, download=False)


@pytest.mark.parametrize("error", [EOFError("cut short"), pickle.UnpicklingError("odd"), KeyError("labels")])
def test_whatever_is_wrong_with_an_archive_raises_what_is_promised(monkeypatch, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", broken)
    broken.__name__ = "CIFAR10"
    with pytest.raises(OSError, match="CIFAR10 is not in root="):
        samlib.load_cifar10("nowhere")


@pytest.fixture
def folder(tmp_path):
    for name, level in [("cat", 0), ("dog", 255)]:
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.new("L", (6, 4), level).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_a_folder_of_images_becomes_tensors(folder):
    x, y, classes = samlib.load_folder(folder)
    assert (x.shape, classes, y.tolist()) == ((4, 3, 4, 6), ["cat", "dog"], [0, 0, 1, 1])
    assert x.dtype == torch.float32
    assert torch.equal(x[:, 0, 0, 0], torch.tensor([0.0, 0, 1, 1]))
    assert samlib.load_folder(folder, size=8)[0].shape == (4, 3, 8, 8)


def save(path, array, **how):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(array).save(path, **how)


def test_sixteen_bits_keep_their_depth(folder):
    save(folder / "cat" / "0.png", np.full((4, 6), 12345, dtype=np.uint16))
    x, _, _ = samlib.load_folder(folder)
    assert torch.allclose(x[0], torch.tensor(12345 / 65535))
    scaled, _, _ = samlib.load_folder(folder, size=3)
    assert torch.allclose(scaled[0], torch.tensor(12345 / 65535))


def test_values_of_no_known_range_are_refused_with_their_path(folder):
    save(folder / "cat" / "0.tiff", np.full((4, 6), 0.3, dtype=np.float32))
    with pytest.raises(ValueError, match=r"0\.tiff has values of mode 'F'"):
        samlib.load_folder(folder)


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[0] = 255  # a white line on top, stored so that it has to be turned to the right
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a" / "0.png", pixels, exif=exif)
    x, _, _ = samlib.load_folder(tmp_path)
    assert x.shape == (1, 3, 6, 4)
    assert (x[0, :, :, -1] == 1).all()
    assert (x[0, :, :, :-1] == 0).all()


def test_what_is_transparent_is_white_whatever_lies_beneath(tmp_path):
    pixels = np.zeros((4, 6, 4), dtype=np.uint8)
    pixels[..., 0], pixels[:2, :, 3] = 200, 255
    save(tmp_path / "a" / "0.png", pixels)
    x, _, _ = samlib.load_folder(tmp_path)
    assert torch.allclose(x[0, :, 0, 0], torch.tensor([200 / 255, 0, 0]))
    assert (x[0, :, 2:] == 1).all()


def test_hidden_folders_and_links_back_add_nothing(folder):
    save(folder / ".ipynb_checkpoints" / "0.png", np.zeros((4, 6), dtype=np.uint8))
    save(folder / "cat" / ".hidden.png", np.zeros((4, 6), dtype=np.uint8))
    (folder / "dog" / "loop").symlink_to(folder / "dog", target_is_directory=True)
    x, y, classes = samlib.load_folder(folder)
    assert (len(x), y.tolist(), classes) == (4, [0, 0, 1, 1], ["cat", "dog"])


def test_a_class_folder_may_be_a_link(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "eel"
    save(elsewhere / "0.png", np.zeros((4, 6), dtype=np.uint8))
    (folder / "eel").symlink_to(elsewhere, target_is_directory=True)
    assert samlib.load_folder(folder)[2] == ["cat", "dog", "eel"]


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + 40 * b"\0", "cut", "bomb"])
def test_a_file_that_cannot_be_read_is_named(folder, monkeypatch, content):
    path = folder / "cat" / "0.png"
    if content == "cut":
        save(path, np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8))
        content = path.read_bytes()[:-200]
    if content == "bomb":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    else:
        path.write_bytes(content)
    with pytest.raises(OSError, match=r"The image .*0\.png cannot be read"):
        samlib.load_folder(folder)


def test_a_class_without_an_image_is_named(folder):
    (folder / "empty").mkdir()
    with pytest.raises(OSError, match="no image is in empty"):
        samlib.load_folder(folder)


def test_the_augmentation_crops_and_flips_each_image_by_itself(device):
    x = torch.rand(64, 3, 8, 8, device=device)
    out = flip_and_crop(2)(x, torch.Generator(device).manual_seed(0))
    assert torch.equal(out, flip_and_crop(2)(x, torch.Generator(device).manual_seed(0)))
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    seen = set()
    for image, original in zip(out, padded, strict=True):
        windows = {
            (top, left, flip): (window.flip(-1) if flip else window)
            for top in range(5)
            for left in range(5)
            for flip in (False, True)
            for window in [original[:, top : top + 8, left : left + 8]]
        }
        found = [place for place, window in windows.items() if torch.equal(window, image)]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 25
