"""Whether monitoring was continuous: from the batches of each agent, and the holes that its streams' numbers show."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from soc.records.agents import AgentRow, StreamRow
from soc.records.batches import BatchRow
from soc.records.shippers import ShipperRow
from soc.report.figure import Figure
from soc.report.periodic.content import Section, shown_time

QUIET = timedelta(minutes=15)  # without a batch for so long an agent counts as not heard
SHIPPER_QUIET = timedelta(hours=24)  # other shippers say nothing when they have nothing to ship
LEDGER_KEPT = timedelta(days=7)  # the door forgets finished batches after that


def continuity(session: Session, starts: datetime, ends: datetime, read_at: datetime) -> Section:
    """The statement of TT 31/2017, with every gap named; what the ledger no longer holds is said too."""
    until = min(ends, read_at)
    agents = _expected(session, starts, until)
    shippers = set(session.scalars(select(ShipperRow.agent_id)))
    heard: dict[str, list[datetime]] = defaultdict(list)
    of_period = select(BatchRow.agent_id, BatchRow.received_at).where(
        BatchRow.received_at >= starts, BatchRow.received_at < until
    )
    for agent_id, at in session.execute(of_period.order_by(BatchRow.received_at)):
        heard[agent_id].append(at)
    gaps = [
        (agent, begun, ended)
        for agent in agents
        for begun, ended in pairwise(
            [max(starts, agent.enrolled_at), *heard[agent.id], _last(agent, until)]
        )
        if ended - begun > (SHIPPER_QUIET if agent.id in shippers else QUIET)
    ]
    holes = _holes(session, starts, agents)
    spoke = tuple(agent.id for agent in agents if heard[agent.id])
    span = f"batches received from {starts.isoformat()} before {until.isoformat()}"
    return Section(
        "Tình trạng giám sát liên tục",
        _sentences(agents, gaps, holes, starts, read_at),
        (
            Figure("Số nguồn phải giám sát", len(agents), f"agents enrolled before {until.isoformat()}, "
                   "not revoked before the period", tuple(agent.id for agent in agents)),
            Figure("Số nguồn có gửi dữ liệu", len(spoke), f"agents with {span}", spoke),
            Figure("Số lô dữ liệu đã nhận", sum(len(each) for each in heard.values()), span, spoke),
            Figure("Số quãng không nhận được dữ liệu trên 15 phút", len(gaps), f"pauses over 15 min "
                   f"between {span}", tuple(sorted({agent.id for agent, _, _ in gaps}))),
            Figure("Số bản ghi thiếu theo số thứ tự", sum(hole[3] for hole in holes), "holes and named "
                   "losses of streams heard since the period began",
                   tuple(f"{hole[0]}/{hole[1]}" for hole in holes)),
        ),
        ("Nguồn", "Luồng", "Từ", "Đến", "Ghi chú"),
        (
            *((agent.name, "", shown_time(begun), shown_time(ended), "Không nhận được dữ liệu")
              for agent, begun, ended in gaps),
            *((name, stream, "", "", f"{count} bản ghi: {why}") for _, stream, name, count, why in holes),
        ),
    )  # fmt: skip


def _expected(session: Session, starts: datetime, until: datetime) -> list[AgentRow]:
    wanted = select(AgentRow).where(
        AgentRow.enrolled_at < until,
        or_(AgentRow.revoked_at.is_(None), AgentRow.revoked_at > starts),
    )
    return list(session.scalars(wanted.order_by(AgentRow.id)))


def _last(agent: AgentRow, until: datetime) -> datetime:
    return until if agent.revoked_at is None else min(until, agent.revoked_at)


def _holes(
    session: Session, starts: datetime, agents: list[AgentRow]
) -> list[tuple[str, str, str, int, str]]:
    """Agent, stream, host, records missing, why; numbers carry no time, so they are those of streams still heard."""
    name_by_id = {agent.id: agent.name for agent in agents}
    found = []
    rows = select(StreamRow).where(StreamRow.last_received_at >= starts)
    for row in session.scalars(rows.order_by(StreamRow.agent_id, StreamRow.name)):
        host = name_by_id.get(row.agent_id, row.agent_id)
        named = sum(last - first + 1 for first, last, _ in row.losses)
        received = sorted((first, last) for first, last in row.ranges)
        missing = sum(later[0] - sooner[1] - 1 for sooner, later in pairwise([(0, 0), *received]))
        if named:
            reasons = "; ".join(sorted({str(loss[2]) for loss in row.losses}))
            found.append((row.agent_id, row.name, host, named, reasons))
        if missing > named:
            found.append((row.agent_id, row.name, host, missing - named, "không rõ lý do"))
    return found


def _sentences(
    agents: list[AgentRow], gaps: list[tuple[AgentRow, datetime, datetime]],
    holes: list[tuple[str, str, str, int, str]], starts: datetime, read_at: datetime,
) -> tuple[str, ...]:  # fmt: skip
    if read_at - starts > LEDGER_KEPT:
        kept_since = shown_time(read_at - LEDGER_KEPT)
        return (
            f"Sổ nhận dữ liệu chỉ còn từ {kept_since}: phần trước đó đã xóa theo thời hạn lưu, "
            "nên không đủ căn cứ để kết luận cho cả kỳ.",
        )
    if not agents:
        return ("Chưa có nguồn nào được giám sát trong kỳ.",)
    if not gaps and not holes:
        return ("Việc giám sát được thực hiện liên tục trong cả kỳ.",)
    return ("Việc giám sát có gián đoạn, nêu tại danh mục dưới đây.",)
