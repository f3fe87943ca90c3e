"""Secrets by file: `NAME_FILE` names a file that holds the value of the setting NAME, as Docker and Kubernetes hand them out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource


class SettingsError(Exception):
    """A setting is missing or wrong. The message names each variable and what it expects."""


def spellings(name: str, field: FieldInfo) -> list[str]:
    """The variables a field is read from, in capitals, the usual one first."""
    aliases = field.validation_alias
    return [str(one) for one in aliases.choices] if isinstance(aliases, AliasChoices) else [name.upper()]


class Files(PydanticBaseSettingsSource):
    """What the files hold that `variables` (by lower-case name) name. Raises SettingsError where one cannot be read."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None]):
        super().__init__(settings_cls)
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The field's value, its key, and that it is no JSON; the value is None where no file is named."""
        names = spellings(field_name, field)
        key = names[0] if field.validation_alias else field_name  # under which nothing of less weight is preferred to it
        for variable in names:
            path = self._variables.get(f"{variable}_FILE".lower())
            if not path:
                continue
            if self._variables.get(variable.lower()) is not None:
                raise SettingsError(f"{variable}: give it or {variable}_FILE, not both")
            if {field_name, *names} & self.current_state.keys():
                continue  # given by what weighs more
            try:
                return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), key, False
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is no text"
                raise SettingsError(f"{variable}_FILE: {path} cannot be read: {reason}") from None
        return None, key, False

    def __call__(self) -> dict[str, Any]:
        found = [self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items()]
        return {key: value for value, key, _ in found if value is not None}


class SettingsFromFiles(BaseSettings):
    """Settings whose values may lie in files."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment and the files that it names, then the same of `.env`."""
        order: list[PydanticBaseSettingsSource] = [init_settings]
        for source in (env_settings, dotenv_settings):
            assert isinstance(source, EnvSettingsSource)
            order += [source, Files(settings_cls, source.env_vars)]
        return tuple(order)
