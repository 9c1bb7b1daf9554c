"""Every gateway of this folder by its name."""

from types import MappingProxyType, ModuleType
from typing import Final

from . import bills, bodies, errors, headers, jobs, keys, messages, sessions, streams, urls
from .live import Gateway

_MODULES: Final = (urls, keys, headers, bodies, streams, sessions, messages, jobs, bills, errors)


def _broken_in(module: ModuleType) -> tuple[type[Gateway], ...]:
    """The gateways that are marked as broken there, singly or in the module's `TABLE`."""
    classes = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Gateway))
    return (*(one for one in classes if "kills" in vars(one)), *module.TABLE)


def _by_name() -> dict[str, type[Gateway]]:
    table: dict[str, type[Gateway]] = {"honest": Gateway}
    for module in _MODULES:
        for gateway in _broken_in(module):
            if gateway.name in table:
                raise ValueError(f"two gateways are called {gateway.name}")
            table[gateway.name] = gateway
    return table


GATEWAYS: Final = MappingProxyType(_by_name())
MUTANTS: Final = tuple(name for name in GATEWAYS if name != "honest")
