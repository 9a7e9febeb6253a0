"""What a model file tells of the machine that trained it."""

from ffgan_tf.config import TrainConfig
from ffgan_tf.exporting.provenance import without_paths


def test_no_folder_of_the_machine_leaves_it():
    """Of every setting that may hold any text, the last part alone."""
    config = TrainConfig()
    free = [
        field.name
        for _, field in config.fields()
        if isinstance(config.flat()[field.name], str) and not field.metadata["choices"]
    ]
    for name in ("pyramid_kernels", "augment"):  # lists, no files
        free.remove(name)
    assert {"data", "init_from", "trunk_weights"} < set(free)
    kept = without_paths(config.replace(**{name: f"/home/someone/{name}.file" for name in free})).flat()
    assert {name: kept[name] for name in free} == {name: f"{name}.file" for name in free}
