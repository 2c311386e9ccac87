"""The texts that people get: Alertmanager templates for plain text, Slack and e-mail.

Written for a phone: what happened, how many against usual, causes and fix (the alert's `summary` and
`description`), then owner, since when, and two links. A resolved alert is two lines.

Every value goes through one of three filters, because a taxonomy may be somebody else's: `@line` makes
it one line without invisible characters; `@quoted` keeps its line breaks and marks each line, so that
none of it can pass for ours; `@slack` escapes Slack's three control characters
(https://api.slack.com/reference/surfaces/formatting#escaping). E-mail is escaped by html/template.
A link is shown if it is one. Alertmanager doesn't expand `{{ }}` in values.
"""

from typing import Final

_INVISIBLE: Final = r'reReplaceAll `\p{Cf}` ""'
"""Category Cf has the bidi controls, which show a text in another order than it is written."""
_BREAK: Final = r"\s*[\n\v\f\r\x{85}\p{Zl}\p{Zp}]\s*"
_CONTROL: Final = r'reReplaceAll `[\x00-\x09\x0b-\x1f\x7f-\x9f]` ""'
"""All but the newline."""
_FILTERS: Final = {
    "@line": rf'reReplaceAll `[\p{{Cc}}\p{{Zl}}\p{{Zp}}\s]+` " " | {_INVISIBLE}',
    "@broken": rf'reReplaceAll `{_BREAK}` "\n" | {_CONTROL} | {_INVISIBLE}',
    "@quoted": rf'{_INVISIBLE} | reReplaceAll `{_BREAK}` "\n> " | {_CONTROL}',
    "@slack": 'reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;"',
    "@link": r'match `^https?://[^\s<>|"\p{Cc}\p{Cf}]+$`',
    "@summary": "or .Annotations.summary .Labels.alertname",
}

_TEXT: Final = """
{{ define "session_end.span" -}}
since {{ .StartsAt.UTC.Format "2 Jan 15:04 MST" }}
{{- if eq .Status "resolved" }}, over at {{ .EndsAt.UTC.Format "2 Jan 15:04 MST" }}{{ end }}
{{- end }}

{{ define "session_end.title" -}}
{{ if eq .Status "resolved" }}Over: {{ end }}
{{- with index (or .Alerts.Firing .Alerts) 0 }}{{ @summary | @line }}{{ end }}
{{- if gt (len .Alerts) 1 }} ({{ len .Alerts }} alerts){{ end }}
{{- end }}

{{ define "session_end.text" -}}
{{ range .Alerts.Firing -}}
{{ @summary | @line }}
{{ with .Annotations.description }}> {{ . | @quoted }}
{{ end -}}
{{ with .Labels.owner }}Owner: {{ . | @line }}, {{ end }}{{ template "session_end.span" . }}
{{ with .Annotations.runbook_url }}{{ if @link . }}Runbook: {{ . }}
{{ end }}{{ end -}}
{{ with .Annotations.dashboard_url }}{{ if @link . }}Dashboard: {{ . }}
{{ end }}{{ end }}
{{ end -}}
{{ range .Alerts.Resolved -}}
Over: {{ @summary | @line }}
{{ template "session_end.span" . }}

{{ end -}}
{{ end }}
"""

_SLACK: Final = """
{{ define "session_end.slack.title" -}}
{{ if eq .Status "resolved" }}Over: {{ end }}
{{- with index (or .Alerts.Firing .Alerts) 0 }}{{ @summary | @line | @slack }}{{ end }}
{{- if gt (len .Alerts) 1 }} ({{ len .Alerts }} alerts){{ end }}
{{- end }}

{{ define "session_end.slack.color" -}}
{{ if eq .Status "resolved" }}good{{ else if eq .CommonLabels.severity "page" }}danger
{{- else }}warning{{ end }}
{{- end }}

{{ define "session_end.slack.text" -}}
{{ range .Alerts.Firing -}}
{{ if gt (len $.Alerts) 1 }}*{{ @summary | @line | @slack }}*
{{ end -}}
{{ with .Annotations.description }}> {{ . | @slack | @quoted }}
{{ end -}}
{{ with .Labels.owner }}Owner: {{ . | @line | @slack }}, {{ end }}{{ template "session_end.span" . }}
{{- with .Annotations.runbook_url }}{{ if @link . }} · <{{ . | @slack }}|Runbook>{{ end }}{{ end }}
{{- with .Annotations.dashboard_url }}{{ if @link . }} · <{{ . | @slack }}|Dashboard>{{ end }}{{ end }}
{{ end -}}
{{ range .Alerts.Resolved -}}
{{ if gt (len $.Alerts) 1 }}Over: {{ @summary | @line | @slack }}
{{ end -}}
{{ template "session_end.span" . }}
{{ end -}}
{{ end }}
"""

_EMAIL: Final = """
{{ define "session_end.email.html" -}}
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
<body style="font-family: sans-serif; line-height: 1.4; max-width: 40em">
{{ range .Alerts.Firing -}}
<h3>{{ @summary | @line }}</h3>
{{ with .Annotations.description -}}
<blockquote style="margin: 0; padding-left: 0.8em; border-left: 3px solid #ccc; white-space: pre-line">
{{- . | @broken -}}
</blockquote>
{{ end -}}
<p>{{ with .Labels.owner }}Owner: {{ . | @line }}, {{ end }}{{ template "session_end.span" . }}
{{- with .Annotations.runbook_url }}{{ if @link . }}<br><a href="{{ . }}">Runbook</a>{{ end }}{{ end }}
{{- with .Annotations.dashboard_url }}{{ if @link . }}<br><a href="{{ . }}">Dashboard</a>{{ end }}{{ end -}}
</p>
{{ end -}}
{{ range .Alerts.Resolved -}}
<h3>Over: {{ @summary | @line }}</h3>
<p>{{ template "session_end.span" . }}</p>
{{ end -}}
</body>
</html>
{{ end }}
"""


def templates(notice: str) -> dict[str, str]:
    """The template files by name; `notice` is the lines that head each, as a comment.

    Alertmanager reads all of them together: what `text.tmpl` defines serves the others too.
    """
    texts = {"text.tmpl": _TEXT, "slack.tmpl": _SLACK, "email.tmpl": _EMAIL}
    return {name: f"{{{{/* {notice} */}}}}\n{_filtered(text)}" for name, text in texts.items()}


def _filtered(text: str) -> str:
    for name, filters in _FILTERS.items():
        text = text.replace(name, filters)
    return text
