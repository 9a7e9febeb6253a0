"""The documents against the code: links, paths, commands and flags exist; stated defaults and messages are true."""

import ast
import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from absl import flags
from command_flags import own_flags

import ffgan_tf
from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.config.flags import define_flags
from ffgan_tf.evaluation.paper_table import PAPER_ROWS

ROOT = Path(ffgan_tf.__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
IDS = [path.name for path in DOCUMENTS]
RECIPES = sorted((ROOT / "experiments").glob("*.cfg"))
# Flags of other programs that the documents call.
FOREIGN = set(
    "index-url find-links no-index no-build-isolation no-deps logdir nodes ntasks-per-node gpus-per-node time signal "
    "requeue array check".split()
)


def settings(config_class: type) -> dict[str, object]:
    """Name → default of a training command's settings, as its command line has them."""
    values = flags.FlagValues()
    define_flags(config_class, values)
    former = {field.metadata["old_name"] for _, field in config_class.fields()}
    return {name: values[name].default for name in values if name not in former}


def declared_flags() -> set[str]:
    """Names of all flags of all commands, converters, tools and benchmarks, from their source."""
    names = {*settings(TrainConfig), *settings(DamsmConfig), "help", "helpfull", "flagfile"}
    files = [path for folder in ("ffgan_tf", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            method = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
            if method.startswith("DEFINE_") or method in ("add_argument", "renamed"):
                names |= {
                    argument.value.lstrip("-") for argument in node.args[:1] if isinstance(argument, ast.Constant)
                }
    return names


def flags_of(command: str) -> dict[str, flags.Flag]:
    """Name → flag of one command."""
    module = importlib.import_module(f"ffgan_tf.{command}")
    with own_flags() as values:
        before = set(values)
        module.define_flags()
        return {name: values[name] for name in set(values) - before}


def called_commands(text: str) -> list[tuple[str, list[str]]]:
    """(command, its words) of every `python -m ffgan_tf.COMMAND …` in a text, over continued lines."""
    text = re.sub(r"\\\n\s*(?:# )?", " ", text)
    calls = re.findall(r"python -m ffgan_tf\.(\w+)([^\n`)|>;…]*)", text)
    return [(command, shlex.split(words, comments=True)) for command, words in calls]


def literals(folder: str) -> str:
    """All literal text of a folder's sources, without the parts that f-strings fill in."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(node.value for node in nodes if isinstance(node.value, str))


def anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def headings(path: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {anchor(line.lstrip("# ")) for line in text.splitlines() if re.match(r"#+ ", line)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_links_lead_somewhere(path):
    links = re.findall(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    broken = []
    for link in links:
        if "://" in link:
            continue
        file, _, fragment = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or fragment and fragment not in headings(target):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_files_that_are_named_exist(path):
    text = path.read_text(encoding="utf-8")
    ours = r"(?:ffgan_tf|tools|benchmarks|experiments|tests|docs)/[\w/.]*\w\.(?:py|cfg|md|sh)"
    rooms = r"`((?:data|demo|models|losses|metrics|evaluation|run|training|utils)/(?:[\w/]*\.py)?)`"
    named = {*re.findall(rf"(?<![\w/.]){ours}", text), *(f"ffgan_tf/{name}" for name in re.findall(rooms, text))}
    missing = {name for name in named if not (ROOT / name).exists()}
    assert not missing


@pytest.mark.parametrize("path", [*DOCUMENTS, *RECIPES], ids=lambda path: path.name)
def test_commands_that_are_named_exist(path):
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:python -m |`)ffgan_tf\.([a-z]\w+)", text)) - set(ffgan_tf.__all__)
    package = ROOT / "ffgan_tf"  # a command, or a room of which a module is named
    assert {name for name in named if not ((package / f"{name}.py").is_file() or (package / name).is_dir())} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_flags_that_are_named_exist(path):
    named = set(re.findall(r"(?<![\w-])--([A-Za-z][\w-]*)", path.read_text(encoding="utf-8")))
    declared = declared_flags()
    unknown = {name for name in named - FOREIGN if name not in declared and name.removeprefix("no") not in declared}
    assert not unknown


def test_commands_take_the_flags_that_the_documents_give_them():
    """The documents', the recipes' and the commands' own examples, with every value that a flag restricts."""
    commands = sorted((ROOT / "ffgan_tf").glob("*.py"))
    calls = [
        (path.name, *call)
        for path in [*DOCUMENTS, *RECIPES, *commands]
        for call in called_commands(path.read_text(encoding="utf-8"))
    ]
    assert len(calls) > 40
    known = {command: flags_of(command) for command in {command for _, command, _ in calls}}
    wrong = []
    for file, command, words in calls:
        for word in words:
            name, equals, value = word.removeprefix("--").partition("=")
            if not word.startswith("--") or name in ("help", "helpfull", "flagfile"):
                continue
            flag = known[command].get(name, known[command].get(name.removeprefix("no")))
            try:
                if flag is None:
                    raise ValueError("no such flag")
                if equals:
                    flag.parser.parse(value)
            except ValueError as error:
                wrong.append(f"{file}: {command} {word}: {error}")
    assert not wrong


def test_images_exist_and_every_image_is_shown():
    shown = {
        (path.parent / link).resolve()
        for path in DOCUMENTS
        for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    }
    assert shown == {path.resolve() for path in (ROOT / "docs" / "images").iterdir()}


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_scripts_that_are_named_are_installed(path):
    listed = re.search(r"COMMANDS = \((.*?)\)", (ROOT / "setup.py").read_text(encoding="utf-8"), re.S)
    installed = {f"ffgan-{name.replace('_', '-')}" for name in re.findall(r'"(\w+)"', listed[1])}
    assert set(re.findall(r"`(ffgan-[a-z0-9-]+)", path.read_text(encoding="utf-8"))) <= installed


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_python_in_documents_names_what_exists(path):
    for block in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ffgan_tf":
                assert node.attr in ffgan_tf.__all__ or (ROOT / "ffgan_tf" / node.attr).is_dir()
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ffgan_tf."):
                folder = ROOT / node.module.replace(".", "/")
                names = {alias.name for alias in node.names}
                assert all((folder / f"{name}.py").is_file() for name in names) or folder.with_suffix(".py").is_file()


def test_messages_of_troubleshooting_are_the_codes():
    """Every message that its signs quote is in the source, apart from numbers, names and parentheses."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    signs = re.findall(r"^- \*\*Sign\.\*\*(.*?)(?=^- \*\*|^\s*$)", text, re.M | re.S)
    signs += re.findall(r"^\| (`[^|]*`) \|", text, re.M)
    quoted = [" ".join(quote.split()) for sign in signs for quote in re.findall(r"`([^`]+)`", sign)]
    messages = [quote for quote in quoted if " " in quote and not re.match(r"python |grep |[a-z_]+/\w+", quote)]
    source = " ".join(literals("ffgan_tf").split())
    parts = [
        part.strip(" .:,(")
        for message in messages
        for part in re.split(
            r"…|\bRUN\b|\bN\b|--\w+=\w*|\b\d[\d,]*|\([^)]*\)|\w+/\w+ is nan|\bmanifest\.\w+",
            message.removeprefix("warning: "),
        )
    ]
    assert len(messages) > 10
    assert [part for part in parts if len(part) > 6 and part not in source] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_make_targets_that_are_named_exist(path):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^    |`)make (?:\w+=\S+ )?([a-z][\w-]*)", text, re.M))
    assert named <= targets


def stated_defaults(text: str) -> dict[str, str]:
    """Flag → default, from the tables whose first cell holds flags and whose second cell their defaults."""
    stated = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        names = re.findall(r"`--(\w+)`", cells[0])
        if line.startswith("| `--") and names:
            values = cells[1].split(", ")
            values = values * len(names) if len(values) == 1 else values
            assert len(values) == len(names), line
            stated |= dict(zip(names, values))
    return stated


def same(stated: str, default: object) -> bool:
    """Whether a table's cell means the default."""
    stated = stated.strip("`")
    if isinstance(default, bool):
        return stated == ("on" if default else "off")
    if isinstance(default, str):
        return stated == (default or "empty")
    return float(stated.replace(",", "") if stated != "off" else 0) == default


@pytest.mark.parametrize("config_class, part", [(TrainConfig, 0), (DamsmConfig, 1)])
def test_model_md_states_every_default(config_class, part):
    """Sections 1 to 8 are the GAN's, section 9 is DAMSM's."""
    text = (ROOT / "docs" / "model.md").read_text(encoding="utf-8").split("\n## 9. ")[part]
    stated, defaults = stated_defaults(text), settings(config_class)
    assert not set(stated) - set(defaults)
    assert {name: value for name, value in stated.items() if not same(value, defaults[name])} == {}
    assert not set(defaults) - set(stated)


def test_the_papers_table_is_that_of_model_md():
    """Every figure: reports stand beside the one, the other was written from the paper by hand."""
    text = (ROOT / "docs" / "model.md").read_text(encoding="utf-8").replace("**", "").replace("± .", "± 0.")
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines()]
    stated = {row[0]: row[1:] for row in rows if len(row) == 5 and " ± " in row[1]}
    ours = {}
    for method, scores in PAPER_ROWS:
        pairs = [scores[dataset] for dataset in ("cub", "oxford102")]
        cells = [(f"{mean:.2f} ± {error:.2f}", "–" if fid is None else f"{fid:.2f}") for mean, error, fid in pairs]
        ours[method.removesuffix(" (paper)")] = [cell for pair in cells for cell in pair]
    assert ours == stated and len(ours) == 5


def test_scalars_of_troubleshooting_are_written():
    """Every scalar in its table, and those that it names for DAMSM, stands in the source of what writes it."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:D|loss_d|loss_g|loss|text|grad_norm|loss_scale|speed|validation)/\w+)`", text))
    from ffgan_tf.training import damsm_step, gan_step

    written = {*gan_step.METRICS, *gan_step.metric_names(projected=True), *damsm_step.METRICS}
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "ffgan_tf" / "training").glob("*.py"))
    assert len(named) > 20
    assert {name for name in named - written if f'"{name}"' not in sources} == set()


def test_citations_of_model_md_are_of_its_sections():
    sections = set(re.findall(r"^## (\d+)\. ", (ROOT / "docs" / "model.md").read_text(encoding="utf-8"), re.M))
    assert sections == set("123456789")
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in tracked if (ROOT / name).is_file()}
    old = {name for name, text in sources.items() if re.search(r"\bspec sections? \d", text)}
    cited = {number for text in sources.values() for number in re.findall(r"docs/model\.md sections? (\d+)", text)}
    assert not old and cited and cited <= sections
