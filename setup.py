"""Packaging. Two stacks, told apart by the Python that installs them; requirements.txt pins all that was tested."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
OLD, NEW = 'python_version < "3.12"', 'python_version >= "3.12"'
# Read, not imported: importing the package needs what is about to be installed.
VERSION = re.search(r'^__version__ = "([^"]+)"$', (HERE / "ffgan_tf/__init__.py").read_text(encoding="utf-8"), re.M)[1]

COMMANDS = (
    "train",
    "train_damsm",
    "sample",
    "visualize",
    "serve",
    "export",
    "evaluate",
    "report",
    "colour_agreement",
    "convert_cub",
    "convert_folder",
    "convert_oxford102",
    "verify_records",
    "make_demo_dataset",
    "import_attngan_encoder",
)  # python -m ffgan_tf.NAME; installed, ffgan-NAME with hyphens as well

setup(
    name="ffgan-tf",
    version=VERSION,
    description="FF-GAN: text-to-image generation by feature fusion, in TensorFlow 2 and Keras",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The ffgan_tf authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=[*find_packages(include=["ffgan_tf", "ffgan_tf.*"]), "ffgan_tf.experiments"],
    package_dir={"ffgan_tf.experiments": "experiments"},  # the recipes: --flagfile=experiments/cub.cfg from anywhere
    package_data={
        "ffgan_tf": ["py.typed", "pretrained/*"],
        "ffgan_tf.exporting": ["*.jinja"],
        "ffgan_tf.reporting": ["templates/*"],
        "ffgan_tf.serving": ["static/*"],  # the page
        "ffgan_tf.experiments": ["*.cfg", "README.md"],
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [f"ffgan-{name.replace('_', '-')} = ffgan_tf.{name}:cli" for name in COMMANDS],
    },
    python_requires=">=3.10,<3.14",
    install_requires=[
        f"tensorflow==2.15.1 ; {OLD}",
        f"tensorflow-addons==0.23.0 ; {OLD}",
        f"tensorflow>=2.21,<2.22 ; {NEW}",
        f"tf-keras>=2.21,<2.22 ; {NEW}",
        f"tensorboard>=2.15,<2.16 ; {OLD}",
        f"tensorboard>=2.20,<3 ; {NEW}",  # TensorFlow 2.21 no longer brings it, yet tf.summary calls it
        f"numpy>=1.26,<2 ; {OLD}",
        f"numpy>=2 ; {NEW}",
        f"tensorflow-metadata<1.16 ; {OLD}",  # later ones want a protobuf that TensorFlow 2.15 refuses
        "setuptools<81",  # TensorBoard 2.15 imports pkg_resources
        "tensorflow-datasets>=4.9.4",
        "importlib-resources",  # it imports that on every Python, and asks for it on old ones alone
        "protobuf",
        "h5py",
        "scipy>=1.11",
        "pillow>=10",
        "absl-py>=2",
        "safetensors>=0.4",  # models as one file that holds numbers alone
        "jinja2>=3.1",  # the report and the model card
    ],
    extras_require={
        "gpu": [f"tensorflow[and-cuda]==2.15.1 ; {OLD}", f"tensorflow[and-cuda]>=2.21,<2.22 ; {NEW}"],
        "serve": ["flask>=3.1", "waitress>=3.0"],  # the page
        "test": ["pytest>=8", "pytest-xdist>=3.5", "playwright>=1.50", "flask>=3.1", "waitress>=3.0"],
    },
    keywords="text-to-image GAN FF-GAN AttnGAN TensorFlow Keras CUB Oxford-102",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
)
