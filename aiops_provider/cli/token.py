"""``aiops token``: make tokens for the API, or the secret that signs them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from aiops_provider.cli.options import ConfigOption, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note


class _Right(StrEnum):
    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(help="Make tokens for the API.", no_args_is_help=True)
    group.command("create")(create)
    group.command("secret")(secret)
    group.command("rotate")(rotate)
    app.add_typer(group, name="token")


def create(
    *,
    scope: Annotated[
        list[_Right] | None, typer.Option(help="A right; may be given several times.")
    ] = None,
    days: Annotated[float, typer.Option(min=0.001, max=3660, help="Days until it expires.")] = 30.0,
    subject: Annotated[str, typer.Option(help="Whom it is for, as shown in logs.")] = "cli",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Print a token; whoever has it has its rights until it expires."""
    from aiops_provider.control.tokens import issue_token

    rights = " ".join(right.value for right in scope or [_Right.READ])
    installation = open_installation(config, checked=False, needs_secret=True)
    token = issue_token(
        installation.token_secret, scope=rights, subject=subject, valid_s=days * 86_400
    )
    installation.close()
    if output is OutputFormat.JSON:
        emit({"token": token, "scope": rights, "days": days, "subject": subject}, output=output)
        return
    note(f"Rights: {rights}; expires in {days:g} days. Send it as `Authorization: Bearer <token>`.")
    print(token)


def secret(output: OutputOption = OutputFormat.TABLE) -> None:
    """Print a new secret; put it into AIOPS_TOKEN_SECRET of every component."""
    from aiops_provider.control.secret_file import new_secret

    made = new_secret()
    if output is OutputFormat.JSON:
        emit({"secret": made}, output=output)
    else:
        print(made)


def rotate(config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Sign with a new secret from now on, without a restart; older tokens go on until they expire."""
    from aiops_provider.control.installation import SECRET_FILE_VARIABLE
    from aiops_provider.control.secret_file import rotate_secrets
    from aiops_provider.errors import ConfigurationError

    installation = open_installation(config, checked=False, needs_secret=True)
    file = installation.secret_file
    installation.close()
    if file is None:
        raise ConfigurationError(
            "is not kept in a file, so that every component must be restarted to change it",
            field="server.token_secret",
            mend=f"Put it into a file that all of them read, and name that in {SECRET_FILE_VARIABLE}.",
        )
    accepted = rotate_secrets(file)
    emit(
        {"file": str(file), "accepted": accepted},
        output=output,
        view=lambda: [f"{file}: a new secret signs; tokens of {accepted} secrets are accepted"],
    )
