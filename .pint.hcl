# For pint, a linter of Prometheus rules: `pint --offline lint rules` in the root of the repository.

parser {
  # The runbooks in rules/ are Markdown.
  include = ["(.*/)?rules/[^/]+\\.yml"]
}

checks {
  # The baseline and the windows of hours are groups of their own with longer intervals: in one group, every rule would
  # be evaluated each 30 s, and Mimir allows 20 rules in a group. A baseline may be one evaluation old.
  disabled = ["rule/dependency"]
}

rule {
  match {
    # The condition of SessionEndsStopped is in the recording rule that it reads. SessionEndWatchdog always fires.
    name = "SessionEndsStopped|SessionEndWatchdog"
  }
  disable = ["alerts/comparison"]
}

rule {
  match {
    # Copies and medians of days. Rules read them over ranges, so gaps between two of them do not matter.
    name = ".*_snapshot"
  }
  disable = ["group/interval"]
}

rule {
  match {
    # The place in the description is a query that printf puts together from parts. pint parses each part alone.
    name = "SessionEndSpike"
  }
  disable = ["alerts/template"]
}
