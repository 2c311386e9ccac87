"""Opening a shared ledger: the engine is fit for one, and what it holds is read."""

import asyncio
import secrets
import time
from typing import Final

from exporter.errors import LedgerError
from exporter.ledger.redis import address, health
from exporter.ledger.redis.engine import Engine
from exporter.ledger.redis.link import Unreached
from exporter.ledger.redis.member import Member
from exporter.ledger.redis.names import Names
from exporter.ledger.redis.plan import Plan
from exporter.ledger.redis.view import View
from exporter.logs import Log

log = Log("exporter.ledger")

_PAUSE: Final = 0.25
"""Seconds between tries of a start."""


async def open_shared(plan: Plan) -> tuple[Member, list[dict[str, str]]]:
    """Join the ledger; what INFO says of each server comes with it.

    Raises `LedgerError` when the engine can't be reached or can't hold a ledger, and `ConfigError` for
    the password's file.
    """
    plan.password()
    engine = Engine(plan.address, plan.password, plan.timeout, plan.shards, plan.wait)
    names = Names(plan.label_names, plan.zero)
    view = View(plan.shards, names, plan.on_labels)
    member = Member(plan, engine, names, view, secrets.token_hex(6))
    deadline = time.monotonic() + plan.patience
    try:
        while True:
            try:
                return member, await _join(member)
            except Unreached as error:
                if time.monotonic() >= deadline:
                    raise LedgerError(f"the shared ledger can't be reached: {error}") from None
                await asyncio.sleep(_PAUSE)
    except BaseException:
        await engine.close()
        raise


async def _join(member: Member) -> list[dict[str, str]]:
    infos = await infos_of(member.engine)
    for info in infos:
        _fit(info, member.plan)
    others = await member.register()
    await member.look()
    if not others:
        await member.hold_anew()
    log.info("ledger_joined", ledger=member.ledger, others=others)
    return infos


async def infos_of(engine: Engine) -> list[dict[str, str]]:
    """What INFO says of each server. Raises `Unreached`."""
    return [health.parse(info) for info in await engine.ask("INFO")]


def _fit(info: dict[str, str], plan: Plan) -> None:
    found = health.version(info)
    text = info.get("redis_version", "unknown")
    if found < health.OLDEST:
        raise LedgerError(f"the shared ledger needs Redis 7.0 or later, or Valkey; this is {text}")
    if plan.wait == 0 and found < health.OLDEST_WAITAOF:
        raise LedgerError(
            f"ledger_wait = 'aof' needs Redis 7.2 or later, or Valkey; this is {text}"
        )
    if info.get("cluster_enabled") == "1" and not plan.address.cluster:
        hosts = address.described(plan.address)
        raise LedgerError(f"ledger: {hosts} is a node of a Cluster; its scheme is redis+cluster://")
