// Rules and dashboards for jsonnet users, with the keys that mixins have. jb vendors the whole repository;
// import deploy/mixin.libsonnet from it. This file needs std.parseYaml of go-jsonnet, which mixtool and Tanka
// use; the C++ jsonnet of Debian 12 cannot parse the rule files.
local groups(file) =
  local parsed = std.parseYaml(file);
  // go-jsonnet takes a file with "---" in a comment for a stream of documents.
  (if std.isArray(parsed) then parsed[0] else parsed).groups;
{
  // Recording rules and alerts stay in the same groups, because a group is evaluated in order.
  prometheusAlerts+:: {
    groups+: groups(importstr '../rules/baseline.yml')
             + groups(importstr '../rules/session-ends.yml')
             + groups(importstr '../rules/exporter.yml'),
  },
  grafanaDashboards+:: {
    'session-ends.json': import '../dashboards/session-ends.json',
    'session-end-code.json': import '../dashboards/session-end-code.json',
    'session-ends-slo.json': import '../dashboards/session-ends-slo.json',
    'session-end-exporter.json': import '../dashboards/session-end-exporter.json',
  },
}
