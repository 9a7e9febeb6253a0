"""`.pth` files read without PyTorch. The two files under torch_files/ were written by PyTorch 2.13 itself, with

base = torch.arange(24.)
state = OrderedDict(encoder.weight=base.reshape(4, 6) / 8, transposed=base.reshape(4, 6).t(), slice=base[5:11],
                    double=torch.linspace(0, 1, 5, dtype=torch.float64), half=torch.tensor([.5, -2.]).half(),
                    **{"bn.num_batches_tracked": torch.tensor(7)}, empty=torch.zeros(0, 3),
                    parameter=torch.nn.Parameter(torch.full((2, 2), 3.)))
torch.save(state, "torch_2_13_zip.pth")
torch.save(state, "torch_2_13_legacy.pth", _use_new_zipfile_serialization=False)
"""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.torch_files import load_state_dict, load_torch_file

FILES = Path(__file__).parent / "torch_files"
FORMS = ["torch_2_13_zip.pth", "torch_2_13_legacy.pth"]


class _Hostile:
    def __init__(self, marker):
        self._marker = marker

    def __reduce__(self):
        return open, (str(self._marker), "w")


@pytest.mark.parametrize("name", FORMS)
def test_reads_what_torch_wrote(name):
    state = load_state_dict(FILES / name)
    base = np.arange(24, dtype=np.float32)
    expected = {
        "encoder.weight": base.reshape(4, 6) / 8,
        "transposed": base.reshape(4, 6).T,
        "slice": base[5:11],
        "double": np.linspace(0, 1, 5),
        "half": np.array([0.5, -2], np.float16),
        "bn.num_batches_tracked": np.array(7),
        "empty": np.zeros((0, 3), np.float32),
        "parameter": np.full((2, 2), 3, np.float32),
    }
    assert list(state) == list(expected)
    for key, value in expected.items():
        assert state[key].dtype == value.dtype, key
        np.testing.assert_array_equal(state[key], value, err_msg=key)


@pytest.mark.parametrize("name", FORMS)
def test_every_truncation_is_a_user_error(name, tmp_path):
    whole = (FILES / name).read_bytes()
    short = tmp_path / "short.pth"
    for length in range(0, len(whole), 37):
        short.write_bytes(whole[:length])
        with pytest.raises(UserError, match="short.pth"):
            load_torch_file(short)


def test_refuses_by_name_and_runs_nothing(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "hostile.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(_Hostile(marker), 2))
    with pytest.raises(UserError, match=r"hostile\.pth.*\b(io|_io)\.open"):
        load_torch_file(path)
    path.write_bytes(pickle.dumps(_Hostile(marker), 2))
    with pytest.raises(UserError, match=r"\b(io|_io)\.open"):
        load_torch_file(path)
    assert not marker.exists()


def test_a_tensor_may_not_reach_outside_its_storage(tmp_path):
    path = tmp_path / "outside.pth"
    with zipfile.ZipFile(FILES / FORMS[0]) as source, zipfile.ZipFile(path, "w") as target:
        for item in source.namelist():
            content = source.read(item)
            if item.endswith("data.pkl"):  # K\x05 pushes the slice's offset, 5; K\x06\x85 its shape, (6,)
                assert content.count(b"K\x05K\x06\x85") == 1
                content = content.replace(b"K\x05K\x06\x85", b"K\x13K\x06\x85")
            target.writestr(item, content)
    with pytest.raises(UserError, match="outside"):
        load_torch_file(path)


def test_other_files(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_torch_file(tmp_path / "missing.pth")
    text = tmp_path / "page.pth"
    text.write_text("<html>quota exceeded</html>")
    with pytest.raises(UserError, match="page.pth"):
        load_torch_file(text)
    number = tmp_path / "list.pth"
    with zipfile.ZipFile(number, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1, 2], 2))
    assert load_torch_file(number) == [1, 2]
    with pytest.raises(UserError, match="no state dict"):
        load_state_dict(number)
