"""How settings are declared: dataclass fields in groups, each with help, bounds, and whether it may change on resume.

A command's settings are one frozen dataclass whose fields are settings or groups (frozen dataclasses of settings). Code
reads them by group (`config.losses.kl_weight`); flags, flag files and a run's config.json know them by the
setting's name alone, which is unique in a command.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeVar

T = TypeVar("T", bound="Settings")


def setting(
    default: Any,
    help_text: str,
    choices: Sequence | None = None,
    low: float | None = None,
    high: float | None = None,
    resumable: bool = False,
    legacy_default: Any = None,
    old_name: str = "",
) -> Any:
    """A dataclass field with its flag's help, its allowed values and whether a resumed run may change it freely.

    `legacy_default`: the value for runs older than the setting, where that is not the default.
    `old_name`: the setting's former name, still accepted in runs, flag files and commands.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "choices": choices,
            "low": low,
            "high": high,
            "resumable": resumable,
            "old_name": old_name,
            "legacy_default": default if legacy_default is None else legacy_default,
        },
    )


def group(group_class: type, title: str) -> Any:
    """A dataclass field that holds a group of settings; `title` heads it in `--help`."""
    return dataclasses.field(default_factory=group_class, metadata={"group": group_class, "title": title})


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of a command's settings, which convert to and from one flat mapping of names to values."""

    kind: ClassVar[str] = ""  # the kind of run, in config.json
    command: ClassVar[str] = ""  # the module that trains it

    @classmethod
    def fields(cls) -> Iterator[tuple[str, dataclasses.Field]]:
        """(name of the group or "", field) of every setting, in the order of declaration."""
        for field in dataclasses.fields(cls):
            if "group" in field.metadata:
                for inner in dataclasses.fields(field.metadata["group"]):
                    yield field.name, inner
            else:
                yield "", field

    @classmethod
    def title(cls, group_name: str) -> str:
        """The title of a group, by its name; "" for the settings in no group."""
        return next(
            (field.metadata["title"] for field in dataclasses.fields(cls) if field.name == group_name and group_name),
            "",
        )

    @classmethod
    def of(cls: type[T], **values: Any) -> T:
        """The settings with these values, by name, and the defaults of all others. TypeError for an unknown name."""
        return cls().replace(**values)

    @classmethod
    def of_given(cls: type[T], **values: Any) -> T:
        """The settings of a new run for which these were given: `of`, unless some choose the defaults of others."""
        return cls.of(**values)

    def flat(self) -> dict[str, Any]:
        """Every setting's value by its name."""
        return {
            field.name: getattr(getattr(self, group_name) if group_name else self, field.name)
            for group_name, field in self.fields()
        }

    def replace(self: T, **values: Any) -> T:
        """The same settings with other values, by name. TypeError for an unknown name."""
        changes: dict[str, dict[str, Any]] = {}
        for group_name, field in self.fields():
            if field.name in values:
                changes.setdefault(group_name, {})[field.name] = values.pop(field.name)
        if values:
            raise TypeError(f"no such setting: {', '.join(sorted(values))}")
        groups = {
            group_name: dataclasses.replace(getattr(self, group_name), **inner)
            for group_name, inner in changes.items()
            if group_name
        }
        return dataclasses.replace(self, **changes.get("", {}), **groups)
