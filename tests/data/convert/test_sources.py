"""The readers of CUB, Oxford-102 and plain folders: splits, classes, missing files."""

import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from ffgan_tf.data import records
from ffgan_tf.data.captions import tokenize
from ffgan_tf.data.convert import cub, folder, oxford102
from ffgan_tf.data.convert.conversion import Settings, convert
from ffgan_tf.utils.errors import UserError

SETTINGS = Settings(image_size=16, workers=1)
ROOT = Path(__file__).resolve().parents[3]


def reasons(source):
    return [f"{problem.file}: {problem.reason}" for problem in source.problems] + [
        f"{item.fault.file}: {item.fault.reason}" for item in source.items if item.fault
    ]


def test_cub_classes_survive_an_unreadable_class_info(tiny_cub):
    (tiny_cub / "train" / "class_info.pickle").write_bytes(b"\x80\x02]q\x00(K\x01K")
    source = cub.read_source(tiny_cub)
    assert source.name == "cub" and [item.class_id for item in source.items if item.split == "train"] == [1, 1, 3, 3]
    assert any("class_info.pickle unreadable" in note for note in source.notes) and not reasons(source)


def test_cub_class_info_of_other_images_is_a_problem(tiny_cub):
    (tiny_cub / "train" / "class_info.pickle").write_bytes(pickle.dumps([1, 3, 3, 3]))
    assert any("class_info.pickle: does not fit" in reason for reason in reasons(cub.read_source(tiny_cub)))
    (tiny_cub / "train" / "class_info.pickle").write_bytes(pickle.dumps([0, 0, 1, 1]))  # another numbering only
    assert not reasons(cub.read_source(tiny_cub))


def test_cub_lists_that_overlap(tiny_cub):
    names = ["002.Finch/Finch_0001", "002.Finch/Finch_0002", "001.Auk/Auk_0001", "003.Crow/Crow_0009"]
    (tiny_cub / "test" / "filenames.pickle").write_bytes(pickle.dumps(names))
    (tiny_cub / "test" / "class_info.pickle").write_bytes(pickle.dumps([2, 2, 1, 3]))
    actual = reasons(cub.read_source(tiny_cub))
    assert any("001.Auk/Auk_0001 is also in train" in reason for reason in actual)
    assert any("003.Crow/Crow_0009.jpg: its class 3 is in both splits" in reason for reason in actual)


@pytest.mark.parametrize(
    "missing",
    [
        "train/filenames.pickle",
        "CUB_200_2011/images.txt",
        "CUB_200_2011/images",
        "text",
        "CUB_200_2011/bounding_boxes.txt",
    ],
)
def test_cub_files_that_must_be_there(tiny_cub, missing):
    (tiny_cub / missing).rename(tiny_cub / "elsewhere")
    with pytest.raises(UserError, match=missing.replace(".", r"\.") + ".*--cub"):
        cub.read_source(tiny_cub)


def test_cub_refuses_a_list_that_is_a_program(tiny_cub, tmp_path):
    (tiny_cub / "train" / "filenames.pickle").write_bytes(
        b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    )
    with pytest.raises(UserError, match=r"filenames\.pickle.*os\.system"):
        cub.read_source(tiny_cub)
    assert not (tmp_path / "ran").exists()


def write_captions_pickle(root, path, drop=None):
    """AttnGAN's pickle of the tiny data set, its words numbered in order of appearance."""
    words, flat = ["<end>"], {}
    for split in ("train", "test"):
        flat[split] = []
        for name in pickle.loads((root / split / "filenames.pickle").read_bytes()):
            for line in (root / "text" / f"{name}.txt").read_text().splitlines():
                for word in tokenize(line):
                    if word not in words:
                        words.append(word)
                flat[split].append([words.index(word) for word in tokenize(line)])
    if drop is not None:
        del flat["train"][drop]
        flat["train"].append(flat["train"][0])
    path.write_bytes(
        pickle.dumps(
            [flat["train"], flat["test"], dict(enumerate(words)), {word: i for i, word in enumerate(words)}], 2
        )
    )
    return words


def test_attngan_vocabulary_replaces_the_converters(tiny_cub, tmp_path):
    words = write_captions_pickle(tiny_cub, tmp_path / "captions.pickle")
    assert words[1:] != sorted(words[1:]), "the order must tell the two vocabularies apart"
    manifest = convert(cub.read_source(tiny_cub, tmp_path / "captions.pickle"), tmp_path / "out", SETTINGS)
    assert manifest["vocabulary"]["source"] == "imported from captions.pickle"
    assert manifest["vocabulary"]["words"] == len(words)
    for split in ("train", "test"):
        for record in records.read_split(tmp_path / "out", split):
            assert [[words[i] for i in ids] for ids in record.tokens] == [tokenize(text) for text in record.texts]


def test_attngan_captions_that_are_shifted_or_short(tiny_cub, tmp_path):
    path = tmp_path / "captions.pickle"
    write_captions_pickle(tiny_cub, path, drop=12)  # in the second image: the third and fourth get others' captions
    with pytest.raises(UserError) as raised:
        convert(cub.read_source(tiny_cub, path), tmp_path / "out", SETTINGS)
    assert all(
        f"{name}.txt: none of its captions in captions.pickle" in str(raised.value)
        for name in ("003.Crow/Crow_0001", "003.Crow/Crow_0002")
    )
    train, test, words, ids = pickle.loads(path.read_bytes())
    for value, message in (
        ([train[:-1], test, words, ids], "39 train captions for 4 images"),
        ([train, test, words], "not AttnGAN's"),
        ([train, test, {1: "a"}, {"a": 1}], "not AttnGAN's"),
        ([train, test, words, {**ids, "wing": 1}], "contradict"),
        ([[[len(words)]] * 40, test, words, ids], "outside its vocabulary"),
    ):
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(UserError, match=f"captions.pickle.*{message}"):
            cub.read_source(tiny_cub, path)


def test_oxford_with_attngans_captions(tiny_oxford, tmp_path):
    """The pickles' order is their own: neither by number nor by our split."""
    path = tmp_path / "captions.pickle"
    order = {"train": [6, 1, 3], "test": [2, 5, 4]}
    names = {int(text.stem[-5:]): text for text in (tiny_oxford / "text_c10").rglob("*.txt")}
    words, flat = ["<end>"], {}
    for split, numbers in order.items():
        (tiny_oxford / split).mkdir()
        listed = [f"jpg/image_{number:05d}" for number in numbers]
        (tiny_oxford / split / "filenames.pickle").write_bytes(pickle.dumps(listed, 2))
        lines = [tokenize(line) for number in numbers for line in names[number].read_text().splitlines()]
        words += sorted({word for line in lines for word in line} - set(words), reverse=True)
        flat[split] = [[words.index(word) for word in line] for line in lines]
    content = [flat["train"], flat["test"], dict(enumerate(words)), {word: i for i, word in enumerate(words)}]
    path.write_bytes(pickle.dumps(content, 2))
    source = oxford102.from_files(tiny_oxford)
    oxford102.use_pickled_captions(source, tiny_oxford, path)
    manifest = convert(source, tmp_path / "out", SETTINGS)
    assert manifest["vocabulary"]["source"] == "imported from captions.pickle"
    for split in ("train", "test"):
        for record in records.read_split(tmp_path / "out", split):
            assert [[words[i] for i in ids] for ids in record.tokens] == [tokenize(text) for text in record.texts]
    listed = [f"jpg/image_{number:05d}" for number in (1, 6, 7)]  # 7 for 3, and two in another order
    (tiny_oxford / "train" / "filenames.pickle").write_bytes(pickle.dumps(listed, 2))
    source = oxford102.from_files(tiny_oxford)
    oxford102.use_pickled_captions(source, tiny_oxford, path)
    with pytest.raises(UserError) as raised:
        convert(source, tmp_path / "other", SETTINGS)
    assert "class_00102/image_00003: not in filenames.pickle" in str(raised.value)
    for number in (1, 6):
        assert f"image_{number:05d}.txt: none of its captions in captions.pickle" in str(raised.value)
    (tiny_oxford / "test" / "filenames.pickle").unlink()
    with pytest.raises(UserError, match=r"test/filenames\.pickle is missing.*--captions_pickle"):
        oxford102.use_pickled_captions(oxford102.from_files(tiny_oxford), tiny_oxford, path)


def test_oxford_split_is_by_label(tiny_oxford):
    source = oxford102.from_files(tiny_oxford)
    assert {item.name: item.split for item in source.items} == {
        "class_00021/image_00001": "train",
        "class_00001/image_00002": "test",
        "class_00102/image_00003": "train",
        "class_00020/image_00004": "test",
        "class_00021/image_00005": "train",
        "class_00001/image_00006": "test",
    }
    assert not reasons(source)


def test_oxford_bad_input(tiny_oxford, tmp_path):
    (tiny_oxford / "jpg" / "image_00002.jpg").unlink()
    (tiny_oxford / "jpg" / "image_00077.jpg").write_bytes(b"")
    (tiny_oxford / "text_c10" / "class_00050").mkdir()
    with pytest.raises(UserError) as raised:
        convert(oxford102.from_files(tiny_oxford), tmp_path / "out", SETTINGS)
    for line in (
        "image_00002.jpg: the image is missing",
        "image_00077.jpg: no label in imagelabels.mat",
        "class_00050: a class without images",
    ):
        assert line in str(raised.value)
    scipy.io.savemat(tiny_oxford / "imagelabels.mat", {"other": np.zeros(3)})
    with pytest.raises(UserError, match=r"imagelabels\.mat: not Oxford-102's label file"):
        oxford102.from_files(tiny_oxford)
    (tiny_oxford / "imagelabels.mat").unlink()
    with pytest.raises(UserError, match=r"imagelabels\.mat is missing.*--oxford"):
        oxford102.from_files(tiny_oxford)


def test_download_ends_soon_where_nobody_answers(tiny_oxford, tmp_path, monkeypatch):
    """The published builder, asked to download from a port of this machine at which nobody listens."""
    pytest.importorskip("importlib_resources")
    monkeypatch.setattr(oxford102, "PUBLISHER", "http://127.0.0.1:9/flowers/102/")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"--download: http://127\.0\.0\.1:9/.* does not answer.*--source=files"):
        oxford102.from_tfds(tiny_oxford, str(tmp_path / "tfds"), download=True)
    assert time.monotonic() - began < 60


@pytest.mark.slow
def test_oxford_through_tfds_gives_the_same_records(tiny_oxford, tmp_path):
    """A prepared oxford_flowers102 of the tiny images, made by tensorflow-datasets itself, its three splits mixed."""
    pytest.importorskip("importlib_resources")
    import tensorflow_datasets as tfds

    published = tfds.builder_cls("oxford_flowers102")
    labels = scipy.io.loadmat(tiny_oxford / "imagelabels.mat")["labels"][0]

    class OxfordFlowers102(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = published.VERSION

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(),
                        "label": tfds.features.ClassLabel(num_classes=102),
                        "file_name": tfds.features.Text(),
                    }
                ),
            )

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples((5, 2)),
                "test": self._generate_examples((1, 3)),
                "validation": self._generate_examples((6, 4)),
            }

        def _generate_examples(self, numbers):
            for number in numbers:
                path = tiny_oxford / "jpg" / f"image_{number:05d}.jpg"
                yield number, {"image": str(path), "label": int(labels[number - 1]) - 1, "file_name": path.name}

    data_dir = tmp_path / "tfds"
    with pytest.raises(UserError, match="has no oxford_flowers102.*--download"):
        oxford102.from_tfds(tiny_oxford, str(data_dir), download=False)
    builder = OxfordFlowers102(data_dir=str(data_dir))
    assert builder.name == "oxford_flowers102"
    builder.download_and_prepare()
    for name, source in (
        ("tfds", oxford102.from_tfds(tiny_oxford, str(data_dir), download=True)),  # it is there: nothing is fetched
        ("files", oxford102.from_files(tiny_oxford)),
    ):
        convert(source, tmp_path / "out" / name, SETTINGS)
    shards = {path.name: path.read_bytes() for path in (tmp_path / "out" / "tfds").glob("*.tfrecord")}
    assert len(shards) == 2
    (shard, *_) = data_dir.rglob("*.tfrecord*")
    shard.write_bytes(shard.read_bytes()[:40])
    with pytest.raises(UserError, match="--tfds_dir=.*cannot read oxford_flowers102.*Fix: "):
        oxford102.from_tfds(tiny_oxford, str(data_dir), download=False)
    assert shards == {path.name: path.read_bytes() for path in (tmp_path / "out" / "files").glob("*.tfrecord")}


def test_folder_classes_and_lists(tiny_folder, tmp_path):
    (tmp_path / "list.txt").write_text("red/b.png\nblue/d\n\n")
    source = folder.read_source(tiny_folder, test_list=tmp_path / "list.txt")
    assert {item.name: (item.split, source.class_names[item.class_id]) for item in source.items} == {
        "red/a": ("train", "red"),
        "red/b": ("test", "red"),
        "blue/c": ("train", "blue"),
        "blue/d": ("test", "blue"),
        "blue/e": ("train", "blue"),
    }
    (tmp_path / "list.txt").write_text("red/z.png\n")
    with pytest.raises(UserError, match=r"list\.txt: 1 names.*red/z"):
        folder.read_source(tiny_folder, test_list=tmp_path / "list.txt")


def test_folder_without_subfolders_has_a_class_an_image(tiny_folder):
    source = folder.read_source(tiny_folder / "blue")
    assert [item.class_id for item in source.items] == [1, 2, 3]
    assert source.class_names == {1: "c", 2: "d", 3: "e"}


def test_folder_ratio_is_a_draw_by_seed(tiny_folder):
    def test_names(ratio, seed):
        return {
            item.name
            for item in folder.read_source(tiny_folder, test_ratio=ratio, seed=seed).items
            if item.split == "test"
        }

    assert [len(test_names(ratio, 0)) for ratio in (0, 0.2, 0.6, 0.8)] == [0, 1, 3, 4]
    for ratio in (0.01, 1):
        with pytest.raises(UserError, match=f"--test_ratio={ratio}: [05] of 5 images would be the test split"):
            test_names(ratio, 0)
    assert test_names(0.4, 1) == test_names(0.4, 1) and test_names(0.2, 1) <= test_names(0.6, 1)
    assert len({frozenset(test_names(0.4, seed)) for seed in range(8)}) > 1


def test_folder_bad_input(tiny_folder):
    (tiny_folder / "red" / "a.png").write_bytes((tiny_folder / "red" / "b.png").read_bytes())
    (tiny_folder / "green").mkdir()
    actual = reasons(folder.read_source(tiny_folder))
    assert any("a.jpg: shares its caption file with a.png" in reason for reason in actual)
    assert any("green: a class without images" in reason for reason in actual)
    with pytest.raises(UserError, match="no images in it"):
        folder.read_source(tiny_folder / "green")


@pytest.mark.slow
def test_the_command_line(tiny_oxford, tmp_path):
    """Two worker processes, from the shell: converts, verifies, refuses; the exit codes."""

    def run(tool, *arguments):
        return subprocess.run(
            [sys.executable, f"tools/{tool}.py", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        )

    out = tmp_path / "out"
    done = run("convert_oxford102", f"--oxford={tiny_oxford}", f"--out={out}", "--image_size=16", "--workers=2")
    assert done.returncode == 0, done.stderr
    assert "train: 3 images, 30 captions, 2 classes, 1 shards" in done.stdout
    shard = out / "test-00000-of-00001.tfrecord"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    damaged = run("verify_records", f"--data={out}")
    assert damaged.returncode == 2 and "test-00000-of-00001.tfrecord: changed" in damaged.stderr
    (tiny_oxford / "jpg" / "image_00001.jpg").unlink()
    failed = run("convert_oxford102", f"--oxford={tiny_oxford}", f"--out={tmp_path / 'other'}")
    assert failed.returncode == 2 and "Traceback" not in failed.stderr and "image_00001.jpg" in failed.stderr
