"""``aiops server``: the API and the page, served on their own."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from aiops_provider.cli.options import ConfigOption, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note
from aiops_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiops_provider.control.installation import Installation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("server")(serve)


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0: any free one.")
    ] = None,
    cycle: Annotated[
        bool | None,
        typer.Option(
            help="Also run the process that plans, learns and detects; default: as configured."
        ),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Serve the API and the page until interrupted."""
    import uvicorn

    from aiops_provider.web import create_app

    installation = open_installation(config, needs_secret=True)
    server = installation.settings.server
    address, wanted = host or server.host, server.port if port is None else port
    listener = _listen(address, wanted)
    bound = listener.getsockname()[1]
    shown = f"[{address}]" if listener.family == socket.AF_INET6 else address
    url = f"http://{shown}:{bound}"
    settings = uvicorn.Config(
        create_app(installation), log_level="warning", access_log=False, server_header=False
    )
    # uvicorn stops at these signals and then sends them once more, to whoever had them before.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with _cycle(installation, wanted=cycle):
        if output is OutputFormat.JSON:
            emit({"url": url, "pid": os.getpid()}, output=output)
        else:
            note(f"Serving {url} – the page asks for a token: `aiops token create --scope read`")
        uvicorn.Server(settings).run(sockets=[listener])
    installation.close()


@contextmanager
def _cycle(installation: Installation, *, wanted: bool | None) -> Iterator[None]:
    """Run the cycle beside the server, in a process of its own: it computes for seconds."""
    settings = installation.settings
    if not (settings.run_cycle if wanted is None else wanted):
        yield
        return
    from aiops_provider.control.cycle import start_cycle_process, stop_cycle_process

    process = start_cycle_process(installation)
    try:
        yield
    finally:
        stop_cycle_process(process)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"cannot listen there: {error}",
            field="server.port",
            value=f"{address}:{port}",
            mend="Stop what uses it or choose another --port; 0 takes any free one.",
        ) from error


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)
