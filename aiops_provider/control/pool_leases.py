"""
Leases a slice of every pool's capacity, so that several schedulers do not overfill one pool.

The slice is renewed with each look at the store, off the host's critical path; between renewals it is
spent in memory. It lapses when its holder has died. A scheduler that is alone has everything. One that
cannot reach the store goes on with the slice it had: the others are as little able to take it, unless
they reach the store and it does not.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from aiops_provider.control.load import LoadLedger
from aiops_provider.control.pool_slices import Need, PoolKey, Slice
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.placement.slicing import Amounts, Claim, comes_first, next_slice

if TYPE_CHECKING:
    from aiops_provider.store import Store

log = logging.getLogger(__name__)

# A holder that is late by a few renewals, or by a pause of its machine, is not taken for dead.
_RENEWALS = 6
_LEAST_TTL_S = 30.0
# What a scheduler writes that knows of no other.
_EVERYTHING = "everything"

_PoolClaim = tuple[str, str, Amounts, Amounts, Amounts | None, float]
_CLAIMS: TypeAdapter[list[_PoolClaim]] = TypeAdapter(list[_PoolClaim])


class PoolLeases:
    """
    The slices of one scheduler.

    Args:
        store: Keeps what each scheduler holds.
        ledger: Spends the slices.
        clusters: As configured.
        period_s: Seconds between renewals.

    Attributes:
        holder: Its name in the store.
    """

    def __init__(
        self,
        store: Store,
        ledger: LoadLedger,
        clusters: Iterable[ClusterSpec],
        *,
        period_s: float,
    ) -> None:
        self._store, self._ledger = store, ledger
        host = socket.gethostname()
        self.holder = f"{_process_room()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._ttl_s = max(_LEAST_TTL_S, _RENEWALS * period_s)
        # The machines of a local cluster are those of its scheduler: another host has its own.
        self._names: dict[PoolKey, PoolKey] = {
            (c.name, pool.name): (f"{c.name}@{host}" if c.kind == "local" else c.name, pool.name)
            for c in clusters
            for pool in c.pools
        }
        self._others: frozenset[str] = frozenset()
        self._alone_until = 0.0

    def renew(self, holders: Collection[str] | None = None) -> None:
        """
        Take what is fair and give back the rest.

        Args:
            holders: Who holds something now, as far as that was just read: one who is alone, and has
                written so of late, has nothing to do.

        Raises:
            StoreError: The store does not answer; the slices stay as they are or get smaller.
        """
        asked_at = time.monotonic()
        if asked_at < self._alone_until and holders == {self.holder}:
            return
        slices: dict[PoolKey, Slice] | None = None

        def claim(others: Mapping[str, str]) -> str:
            nonlocal slices
            others = {who: text for who, text in others.items() if not _surely_dead(who)}
            self._note(others)
            if not others:
                slices = None
                return _EVERYTHING
            needs = self._ledger.needs()
            slices, claims = self._next(_read(others), needs)
            # What is given back must not be spent any more when others come to know of it.
            kept = self._ledger.narrow(slices)
            own = [
                (*self._names[key], kept[key], c.wanted, c.asked, c.asked_since)
                for key, c in claims.items()
            ]
            return _CLAIMS.dump_json(own).decode()

        self._store.renew_pool_lease(self.holder, self._ttl_s, claim)
        self._ledger.set_slices(slices)
        self._alone_until = asked_at + self._ttl_s / 3 if slices is None else 0.0

    def release(self) -> None:
        """
        Give everything back at once.

        Raises:
            StoreError: The store does not answer; the lease runs out by itself.
        """
        self._store.release_pool_lease(self.holder)

    def _next(
        self,
        others: Mapping[str, Mapping[PoolKey, Claim] | None],
        needs: Mapping[PoolKey, Need],
    ) -> tuple[dict[PoolKey, Slice], dict[PoolKey, Claim]]:
        """Slices by pool, and what is claimed; of the others ``None`` holds everything."""
        slices: dict[PoolKey, Slice] = {}
        own: dict[PoolKey, Claim] = {}
        for key, name in self._names.items():
            need = needs[key]
            mine = Claim(
                held=need.held, wanted=need.wanted, asked=need.asked, asked_since=need.asked_since
            )
            claims = {self.holder: mine}
            for who, pools in others.items():
                if pools is None:
                    claims[who] = Claim(held=need.total)
                elif name in pools:
                    claims[who] = pools[name]
            if len(claims) == 1:
                amounts = need.total
            else:
                amounts = next_slice(need.total, self.holder, claims, need.used)
            first = comes_first(claims) == self.holder
            slices[key] = Slice(amounts, need.run if first and len(claims) > 1 else None)
            own[key] = mine
        return slices, own

    def _note(self, others: Iterable[str]) -> None:
        now = frozenset(others)
        if now != self._others:
            shared = f"shared with {', '.join(sorted(now))}" if now else "all of this scheduler"
            log.info("The capacity of the clusters is %s", shared)
        self._others = now


def _process_room() -> str:
    """Where numbers of processes mean the same: this host, and the container in it."""
    try:
        room = Path("/proc/self/ns/pid").readlink().name
    except OSError:  # not Linux
        room = ""
    return f"{socket.gethostname()}:{room}"


def _surely_dead(holder: str) -> bool:
    """
    Whether a holder is a process of this host that has ended.

    A scheduler that is started again after a crash need not wait until its own lease runs out.
    """
    import psutil

    room, number, _ = holder.rsplit(":", 2)
    return room == _process_room() and not psutil.pid_exists(int(number))


def _read(others: Mapping[str, str]) -> dict[str, dict[PoolKey, Claim] | None]:
    claims: dict[str, dict[PoolKey, Claim] | None] = {}
    for who, payload in others.items():
        if payload == _EVERYTHING:
            claims[who] = None
            continue
        try:
            rows = _CLAIMS.validate_json(payload)
        except ValidationError:
            # Of another version of the package: what it holds is unknown, and it will be gone soon.
            log.warning("What %s holds of the pools cannot be read; nothing is taken from it", who)
            claims[who] = None
            continue
        claims[who] = {
            (cluster, pool): Claim(held=held, wanted=wanted, asked=asked, asked_since=since)
            for cluster, pool, held, wanted, asked, since in rows
        }
    return claims
