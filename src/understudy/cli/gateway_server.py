"""The process that serves as the gateway: `understudy gateway` reads its options and becomes this.

Here is only what serving needs. What reads command lines and documents would cost each worker memory for nothing.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..errors import UnderstudyError


class GatewayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `understudy gateway` was told. `ports` maps each port's option to its number; the others are options."""

    config: str
    ports: Mapping[str, int]
    host: str
    tls_names: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    spend: str | None = None
    store: str | None = None
    workers: int = 1
    shares_ports: bool = False
    json_line: bool = False
    until_stdin_ends: bool = False
    root_path: str | None = None

    @property
    def environ(self) -> Mapping[str, str]:
        """The process's environment, with what the command line says over it."""
        return os.environ if self.root_path is None else {**os.environ, "SERVER_ROOT_PATH": self.root_path}


def become_gateway(options: GatewayOptions) -> None:
    """Replace this process by the gateway: its number, its pipes and its terminal stay. It does not return there.

    Where no process can be replaced (Windows) the gateway runs in this one. Raises what `run_gateway` raises.
    """
    if os.name != "posix":
        run_gateway(options)
        return
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: what lies in the user's folder must not stand in for a module of ours.
    words = (sys.executable, "-P", "-m", __name__, msgspec.json.encode(options).decode())
    os.execv(sys.executable, words)  # noqa: S606 - our own program


def run_gateway(options: GatewayOptions) -> None:
    """Serve until told to end; with `workers`, by several processes. Raises UnderstudyError."""
    from understudy_gateway.app import Gateway
    from understudy_gateway.config import load_config
    from understudy_gateway.listeners import Listen
    from understudy_gateway.spend.store import SpendStore

    from ..price_books import price_book
    from .certificates import certificate_names, gateway_tls
    from .gateway_life import reloading
    from .serving import serve
    from .spend_places import store_to_write
    from .workers import metrics_folder, serve_workers

    config, ports = Path(options.config), options.ports
    settings = load_config(config, options.environ)
    book = price_book(settings.price_book, [settings.model_prices])
    names = certificate_names(options.host, options.tls_names)
    tls, trust = gateway_tls(names, _path(options.tls_cert), _path(options.tls_key))
    path = store_to_write(options.store, development=settings.development, workers=options.workers)
    kept = None if path is None else SpendStore(path)
    if options.workers > 1 and kept is not None:
        kept.close()  # it is well; each worker opens it for itself
        told = _worker_options(options, path)
        in_json = settings.json_logs
        serve_workers(options.workers, told, ports, options.host, options.json_line, json_logs=in_json)
        return
    listen = Listen(
        options.host, ports["--port"], ports["--tls-port"], ports["--admin-port"], is_shared=options.shares_ports
    )
    server = Gateway(
        settings,
        listen,
        book=book,
        tls=tls,
        spend_path=_path(options.spend),
        store=kept,
        metrics_folder=metrics_folder(),
    )
    life = reloading(server, config, options.environ)
    serve(
        "gateway",
        server,
        trust,
        ports,
        options.json_line,
        options.until_stdin_ends,
        when_hung_up=life,
        json_logs=settings.json_logs,
    )


def _worker_options(options: GatewayOptions, store: Path | None) -> list[str]:
    """What each worker is told but for its ports."""
    files = {
        "--config": options.config,
        "--tls-cert": options.tls_cert,
        "--tls-key": options.tls_key,
        "--spend": options.spend,
        "--store": None if store is None else str(store),
    }
    words = ["--host", options.host, *(word for name in options.tls_names for word in ("--tls-name", name))]
    words += [] if options.root_path is None else ["--root-path", options.root_path]
    return words + [word for option, file in files.items() if file is not None for word in (option, file)]


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve by the options that are the only argument, as JSON, and end as the command does (house-style 12)."""
    (text,) = sys.argv[1:] if arguments is None else arguments
    try:
        run_gateway(msgspec.json.decode(text, type=GatewayOptions))
    except UnderstudyError as error:
        print(f"understudy: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
