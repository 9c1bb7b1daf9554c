"""Resources that clients create: kept by scope and name, listed in pages, gone when they expire. Pure.

Names are full, as in the answers: `files/abc`, `fileSearchStores/s/documents/d`, `projects/p/locations/l/tuningJobs/1`.
A scope sees its own resources only; the default scope, which is that of calls whose carrier was lost, finds those of
others by their names, but lists only its own.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

ResourceFilter = Callable[["Resource"], bool]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its full name, the value that a GET shows, when it was made and when it ends (None: never).

    `hidden` is what belongs to it but is not shown: the contents of a cache, the bytes of a file.
    """

    name: str
    value: Mapping[str, Any]
    created: datetime
    expires: datetime | None = None
    hidden: Any = None

    @property
    def collection(self) -> str:
        """The name without its last part: `files`, `projects/p/locations/l/cachedContents`."""
        return self.name.rpartition("/")[0]

    def showing(self, **members: Any) -> "Resource":
        """The same with these members of its value; None takes one away."""
        value = {**self.value, **members}
        return replace(self, value={name: member for name, member in value.items() if member is not None})


@dataclass(frozen=True, slots=True)
class Page:
    """Some resources, and what asks for the next page (empty: this was the last)."""

    resources: tuple[Resource, ...]
    following: str = ""

    def value(self, key: str, following_key: str = "nextPageToken") -> dict[str, Any]:
        """The list answer with the resources under `key`; empty members are left out, as Google does."""
        answer: dict[str, Any] = {}
        if self.resources:
            answer[key] = [dict(resource.value) for resource in self.resources]
        if self.following:
            answer[following_key] = self.following
        return answer


class Store:
    """The resources of all scopes."""

    def __init__(self, now: Callable[[], datetime], let_go: Callable[[Any], None] | None = None) -> None:
        """`now` is the time by which resources expire; `let_go` gets the `hidden` of each that has."""
        self._now = now
        self._let_go = let_go
        self._scopes: dict[str, dict[str, Resource]] = {}
        self._next_end: datetime | None = None

    def shelf(self, scope: str) -> "Shelf":
        """The resources of one scope. What has expired by now, in any scope, is dropped."""
        if self._next_end is not None:
            self._sweep()
        return Shelf(self, scope)

    def put(self, scope: str, resource: Resource) -> None:
        """Keep a resource, in the place of one of the same name."""
        self._scopes.setdefault(scope, {})[resource.name] = resource
        if resource.expires is not None and (self._next_end is None or resource.expires < self._next_end):
            self._next_end = resource.expires

    def find(self, scope: str, name: str) -> tuple[str, Resource] | None:
        """The resource of that name that has not expired, and its scope."""
        for place in (scope,) if scope else ("", *self._scopes):
            found = self._scopes.get(place, {}).get(name)
            if found is not None and self._is_alive(found):
                return place, found
        return None

    def remove(self, scope: str, name: str) -> Resource | None:
        """Take a resource away; gives it, or None if there was none."""
        found = self.find(scope, name)
        return None if found is None else self._scopes[found[0]].pop(name)

    def of(self, scope: str) -> Iterator[Resource]:
        """All resources of a scope that have not expired, in order of creation."""
        return (resource for resource in tuple(self._scopes.get(scope, {}).values()) if self._is_alive(resource))

    def forget(self, scope: str | None) -> tuple[Resource, ...]:
        """Forget one scope, or (None) all; gives what was forgotten."""
        scopes = tuple(self._scopes) if scope is None else (scope,)
        return tuple(resource for name in scopes for resource in self._scopes.pop(name, {}).values())

    def _sweep(self) -> None:
        """Drop what has expired; looks at nothing before the first moment at which something can have."""
        now = self._now()
        if self._next_end is None or now < self._next_end:
            return
        self._next_end = None
        for kept in self._scopes.values():
            for resource in tuple(kept.values()):
                ends = resource.expires
                if ends is None:
                    continue
                if ends <= now:
                    del kept[resource.name]
                    if self._let_go is not None:
                        self._let_go(resource.hidden)
                elif self._next_end is None or ends < self._next_end:
                    self._next_end = ends

    def _is_alive(self, resource: Resource) -> bool:
        return resource.expires is None or self._now() < resource.expires


class Shelf:
    """The resources of one scope, as handlers use them."""

    def __init__(self, store: Store, scope: str) -> None:
        self._store = store
        self._scope = scope

    def put(self, resource: Resource) -> Resource:
        """Keep a resource; gives it back."""
        self._store.put(self._scope, resource)
        return resource

    def find(self, name: str) -> Resource | None:
        """The resource of that full name, or None if there is none or it has expired."""
        found = self._store.find(self._scope, name)
        return None if found is None else found[1]

    def home_of(self, name: str) -> "Shelf":
        """The shelf on which the resource of that name is: this one, unless it was found in another scope."""
        found = self._store.find(self._scope, name)
        return self if found is None else Shelf(self._store, found[0])

    def change(self, resource: Resource) -> Resource:
        """Keep a changed resource where the one of its name is; gives it back."""
        found = self._store.find(self._scope, resource.name)
        self._store.put(self._scope if found is None else found[0], resource)
        return resource

    def remove(self, name: str) -> Resource | None:
        """Take a resource away; gives it, or None if there was none."""
        return self._store.remove(self._scope, name)

    def below(self, name: str) -> tuple[Resource, ...]:
        """All resources whose names begin with `name/`."""
        return tuple(resource for resource in self._store.of(self._scope) if resource.name.startswith(name + "/"))

    def of(self, collection: str) -> tuple[Resource, ...]:
        """The resources of a collection, in order of creation."""
        return tuple(resource for resource in self._store.of(self._scope) if resource.collection == collection)


def page_of(resources: Iterable[Resource], size: str, token: str, *, usual: int, most: int) -> Page | None:
    """One page. `size` and `token` are as in the query; None if the size is no number or the token none of ours.

    A size of 0 or none is `usual`; a larger one than `most` is `most` (AIP-158).
    """
    items = tuple(resources)
    if size and not (size.isascii() and size.isdigit() and len(size) < 10):
        return None
    start = 0
    if token:
        found = _start_of(token)
        if found is None:
            return None
        start = found
    count = min(int(size or 0) or usual, most)
    end = start + count
    following = urlsafe_b64encode(f"page:{end}".encode()).decode() if end < len(items) else ""
    return Page(items[start:end], following)


def _start_of(token: str) -> int | None:
    try:
        text = urlsafe_b64decode(token.encode()).decode("ascii")
    except ValueError:
        return None
    name, _, start = text.partition(":")
    return int(start) if name == "page" and start.isdigit() and len(start) < 10 else None
