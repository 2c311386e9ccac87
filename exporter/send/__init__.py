"""`session-end-exporter send`: posts events from files, again and again if need be, counted once.

Stages, each importing only those before it: `options` (what was asked for), `lines`, `documents` and
`table` (a format each), `sources` (an input, opened and told apart), `events` and `occurrences`
(an event in one spelling, with an id), `connection` and `answers` (HTTP and what it means),
`report` and `progress` (what people see), `delivery` (batches, retries), `command` (all of it).

## What repeats safely
The server remembers ids, by default for 24 h and up to the last 1,000,000 of them. Within that
window, running the same command again counts nothing twice:

- An event with an `id` keeps it.
- An event without one gets an id from its content and from its number among the events of the same
  input with that same content. So identical rows of one file stay distinct events, and a file that
  was renamed, reordered, compressed, given more rows or written in another of the formats gives the
  same ids. The content is the known fields: `code` 4001 is "4001", `final: true` is absent, null
  and "" are absent, unknown fields do not count; `occurred_at` counts as spelled.
- Retries of this program send the same bytes, so an answer lost on the way shows as `duplicates`.

What does not repeat safely:

- Events beyond the window: a repeat after more than 24 h, or of events that more than 1,000,000
  others followed, counts them again.
- Identical events without ids in *different* files are taken for the same event and count once: that
  makes overlapping exports safe, and it means that events which are to be told apart need an `id`, a
  `session_id` or an `occurred_at`. A warning says when an input has events with none of the three.
- A file cut in two between identical events: the parts number them anew, so one of them is a
  duplicate.
- Events edited in between (one more field, another spelling of the time) are other events.
- Events that went another way before (curl, the browser collector) without these ids.

An event without `occurred_at` gets the server's time of receipt, at its first arrival: a repeat is a
duplicate and does not move it. Events older than the server's `max_event_age` (15 min) are counted
as late, in `session_ends_late_total`.
"""

from exporter.send.command import send
from exporter.send.options import Options
from exporter.send.report import Report

__all__ = ["Options", "Report", "send"]
