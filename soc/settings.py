"""Settings, read once at the edge: environment (``SOC_*``) over ``soc.yaml`` in ``SOC_HOME`` over these defaults."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from soc.model.response import ResponseAction


class Settings(BaseSettings):
    """The settings of one site. Sizes are bytes, times seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="SOC_", extra="forbid")

    home: Path = Field(Path("var"), description="Folder of all state.")
    host: str = Field("127.0.0.1", description="Address the console listens on.")
    port: int = Field(8600, description="Console and API.")
    door_host: str = Field("127.0.0.1", description="Address the door listens on.")
    door_port: int = Field(8601, description="Agents' door (HTTPS, the platform's own CA).")
    national_port: int = Field(
        8602, description="Built-in fake national centre of the demo site, loopback only."
    )
    national_url: str = Field(
        "",
        description="Where reports to the national centre are posted; empty: the built-in fake one in the demo, "
        "else nothing is sent.",
    )
    national_rules: Path | None = Field(
        None,
        description="YAML table of what may leave, to whom and by which adapter; empty: the shipped one.",
    )
    mail_host: str = Field(
        "", description="SMTP server that bulletins are handed in at; empty: none is sent."
    )
    mail_port: int = Field(25, description="Its port.", ge=1, le=65_535)
    mail_from: str = Field("", description="Sender's address of bulletins.")
    mail_user: str = Field("", description="User at the mail server; empty: no sign-in.")
    mail_password_file: Path | None = Field(
        None, description="File that holds the user's password and nothing else."
    )
    mail_starttls: bool = Field(True, description="Demand an encrypted line to the mail server.")
    centre_name: str = Field(
        "Trung tâm giám sát an ninh mạng", description="The centre's name on bulletins."
    )
    portal_url: str = Field(
        "", description="Address of this console as agencies reach it; it stands in bulletins."
    )
    demo: bool = Field(
        False, description="Load the demo province and run the fake national centre."
    )
    own_agent: bool = Field(True, description="`soc up` also runs this machine's own agent.")
    own_system: str = Field(
        "",
        description="Register key of the system this machine belongs to; empty: found by host name.",
    )
    database: str = Field(
        "", description="SQLAlchemy URL of the records; empty: soc.sqlite in the home."
    )
    elasticsearch: str = Field(
        "",
        description="Addresses of an Elasticsearch cluster for the events, with commas; empty: the embedded index.",
    )
    elasticsearch_user: str = Field("", description="User of the cluster; empty: none is sent.")
    elasticsearch_password_file: Path | None = Field(
        None, description="File that holds the user's password and nothing else."
    )
    elasticsearch_ca: Path | None = Field(
        None, description="PEM file of the authority that signed the cluster's certificates."
    )
    elasticsearch_prefix: str = Field(
        "soc", description="Start of the names of all indices.", pattern=r"^[a-z][a-z0-9]{0,30}$"
    )
    elasticsearch_shards: int = Field(1, description="Primary shards of a new index.", ge=1)
    elasticsearch_replicas: int = Field(
        1, description="Copies of each shard on other nodes; 0 with a single node.", ge=0
    )
    rules: list[Path] = Field(
        default_factory=list, description="Rule folders; empty means the shipped rules/."
    )
    playbooks: Path | None = Field(
        None, description="Playbook folder; empty means the shipped playbooks/."
    )
    warning_lists: Path | None = Field(
        None,
        description="Folder of MISP warning lists (`*/list.json`): values that no indicator may alert on by itself; "
        "empty: public resolvers only.",
    )
    edr_mappings: list[Path] = Field(
        default_factory=list,
        description="Folders of mapping files for exports of EDR servers, beside the shipped edr-mappings/; a file "
        "with a shipped one's name takes its place.",
    )
    places: list[Path] = Field(
        default_factory=list,
        description="The operator's .mmdb files of countries and networks (ASN) of public addresses; none is shipped.",
    )
    zone: str = Field(
        "Asia/Ho_Chi_Minh", description="Zone of the pages and of times written without one."
    )
    retention_months: dict[str, int] = Field(
        default_factory=lambda: {"short": 1, "level3": 3, "level4": 6, "level5": 12, "own": 12},
        description="Months each retention class is kept (never under 30 days).",
    )
    max_batch_bytes: int = Field(16 * 2**20, description="Largest compressed batch the door takes.")
    max_batch_plain_bytes: int = Field(64 * 2**20, description="Largest batch after decompression.")
    max_record_bytes: int = Field(
        2**20, description="Larger records are set aside with their bytes."
    )
    response_two_people: list[ResponseAction] = Field(
        default_factory=lambda: [
            ResponseAction.ISOLATE_HOST,
            ResponseAction.STOP_PROCESS,
            ResponseAction.QUARANTINE_FILE,
            ResponseAction.DISABLE_ACCOUNT,
        ],
        description="Response actions on agents that a second person must approve.",
    )
    log_level: str = Field("info", description="debug, info, warning or error.")

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home.absolute() / 'soc.sqlite'}"

    @property
    def events_home(self) -> Path:
        return self.home / "events"

    @property
    def packs_home(self) -> Path:
        return self.home / "packs"

    @property
    def rule_sets_home(self) -> Path:
        """Of imported rules (``soc rules import``)."""
        return self.home.absolute() / "rule-sets"

    @property
    def evidence_home(self) -> Path:
        """Of bundles that agents collected, by their SHA-256."""
        return self.home / "evidence"

    @property
    def keys_home(self) -> Path:
        return self.home / "keys"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then ``soc.yaml``."""
        yaml_file = Path(os.environ.get("SOC_HOME", "var")) / "soc.yaml"
        return (init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file))
