"""The recipes of experiments/. The installed package contains them as ffgan_tf/experiments."""

from pathlib import Path

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import expand_home

PACKAGE = Path(__file__).resolve().parents[1]


def packaged_recipes() -> dict[str, Path]:
    """{file name: path} of the recipes in the installed package, or beside it in a checkout."""
    installed = PACKAGE / "experiments"  # setup.py puts them there
    folder = installed if installed.is_dir() else PACKAGE.parent / "experiments"
    return {path.name: path for path in sorted(folder.glob("*.cfg"))}


def find_recipe(name: str) -> Path:
    """The flag file `name`: a path as it is, else `experiments/NAME` or `NAME` among the installed recipes.

    Raises a UserError that lists the recipes where there is neither.
    """
    path = expand_home(name)
    if path.is_file():
        return path
    recipes = packaged_recipes()
    if path.parent in (Path("."), Path("experiments")) and path.name in recipes:
        return recipes[path.name]
    listed = f": {', '.join(f'experiments/{recipe}' for recipe in recipes)}" if recipes else ""
    raise UserError(f"--flagfile={name}: no such file. Fix: name an existing file, or a recipe{listed}.")
