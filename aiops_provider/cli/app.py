"""
The console script ``aiops``: runs one command and turns errors into a message and an exit status.

Nothing heavy is imported before the command is known: typer itself is only installed with the
extra ``engine``, and a worker image without it must get a clear answer, not a traceback.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from aiops_provider import __version__
from aiops_provider.errors import AiopsError

# Which extra brings a library, for the message when it is absent.
_EXTRAS = {
    "typer": "engine",
    "rich": "engine",
    "numpy": "engine",
    "scipy": "engine",
    "sklearn": "engine",
    "pulp": "engine",
    "highspy": "engine",
    "sqlalchemy": "engine",
    "alembic": "engine",
    "stamina": "engine",
    "jwt": "engine",
    "fastapi": "server",
    "uvicorn": "server",
    "jinja2": "server",
    "psycopg": "postgres",
    "airflow": "airflow",
    "prefect": "prefect",
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Args:
        argv: Arguments without the program's name; default: those of the process.

    Returns:
        The exit status: 0 done, 1 failed, 2 the input must be mended.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        print(f"aiops {__version__}")
        return 0
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        return _run(arguments)
    except AiopsError as error:
        return _fail(str(error), error.exit_status)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        mend = f"pip install 'aiops-provider[{_EXTRAS[missing]}]'"
        return _fail(f"this command needs {missing}, which is not installed. {mend}", 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


def _run(arguments: list[str]) -> int:
    from aiops_provider.cli.commands import build_app

    try:
        build_app(arguments)(args=arguments, prog_name="aiops")
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        return _fail(str(leaving.code), 1)
    return 0


def _fail(message: str, status: int) -> int:
    print(f"aiops: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
