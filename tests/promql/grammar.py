"""Generated expressions over the supported grammar and the series of `history`."""

from hypothesis import strategies as st

METRICS = {
    "ends_total": ("system", "code", "instance"),
    "queue": ("system", "code"),
    "limit": ("system", "code"),
    "code_info": ("system", "code", "severity"),
    "up": ("system",),
    "noise": ("system", "code"),
}
VALUES = {
    "system": ("alpha", "beta"),
    "code": ("10", "20", "40"),
    "instance": ("a:1", "b:1"),
    "severity": ("page", "ticket"),
}
NAMES = ("system", "code", "instance", "severity")
OVER_TIME = ("avg", "min", "max", "sum", "count", "last", "stddev", "stdvar", "present")
COUNTERS = ("rate", "increase", "irate", "idelta", "delta", "changes", "resets")
ELEMENTWISE = ("abs", "ceil", "floor", "sqrt", "ln", "log2", "log10", "exp", "sgn", "round", "sort")
TIMES = ("hour", "minute", "day_of_week")
REDUCTIONS = ("sum", "min", "max", "avg", "count", "group", "stddev", "stdvar")
ARITHMETIC = ("+", "-", "*", "/", "%", "^")
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")

number = st.sampled_from(("0", "0.5", "1", "3", "10", "-2", "0.125"))
scalar = st.one_of(
    number,
    st.builds("({} {} {})".format, number, st.sampled_from(ARITHMETIC), number),
    st.builds("({} {} bool {})".format, number, st.sampled_from(COMPARISONS), number),
    st.sampled_from(("time()", "scalar(up{system='alpha'})", "scalar(limit)", "-time()")),
)
offset = st.sampled_from(("", "", "", " offset 1m", " offset 7m", " offset -90s", " @ 1767582000"))
window = st.sampled_from(("45s", "2m", "5m", "5m1s", "20m"))
labels = st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(", ".join)


@st.composite
def selector(draw: st.DrawFn, metrics: tuple[str, ...] = tuple(METRICS)) -> str:
    metric = draw(st.sampled_from(metrics))
    matchers = []
    for name in draw(st.lists(st.sampled_from(METRICS[metric]), max_size=2, unique=True)):
        value = draw(st.sampled_from(VALUES[name]))
        other = draw(st.sampled_from(VALUES[name]))
        operator, text = draw(
            st.sampled_from(
                (("=", value), ("!=", value), ("=~", f"{value}|{other}"), ("!~", ".*0|b.+"))
            )
        )
        matchers.append(f'{name}{operator}"{text}"')
    return f"{metric}{{{', '.join(matchers)}}}"


shifted = st.builds("{}{}".format, selector(), offset)


@st.composite
def over_time(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    if draw(st.booleans()):
        range_ = f"{draw(selector())}[{draw(window)}]{draw(offset)}"
    else:
        step = draw(st.sampled_from(("30s", "1m", "75s", "")))
        range_ = f"({draw(inner)})[{draw(st.sampled_from(('3m', '10m')))}:{step}]{draw(offset)}"
    if draw(st.integers(0, 5)) == 0:
        # With @, range queries of Prometheus evaluate a parameter only once.
        parameter = draw(constant if "@" in range_ else quantile)
        return f"quantile_over_time({parameter}, {range_})"
    if draw(st.integers(0, 9)) == 0:
        return f"absent_over_time({range_})"
    name = draw(st.sampled_from((*(f"{name}_over_time" for name in OVER_TIME), *COUNTERS)))
    return f"{name}({range_})"


constant = st.sampled_from(("0", "0.25", "0.5", "0.9", "1", "-1", "2"))
quantile = st.one_of(constant, st.just("scalar(up{system='beta'})"))


def called(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}({})".format, st.sampled_from(ELEMENTWISE), inner),
        # Of timestamps only: the integer that Go makes of NaN depends on the processor.
        st.builds("{}(timestamp({}))".format, st.sampled_from(TIMES), inner),
        st.builds(
            "{}({}, {})".format, st.sampled_from(("clamp_min", "clamp_max", "round")), inner, scalar
        ),
        st.builds("clamp({}, {}, {})".format, inner, scalar, scalar),
        # Reduced: Prometheus itself rounds the deviation of numbers of this size.
        st.builds("(timestamp({}) - 1767578400)".format, inner),
        st.builds("absent({})".format, inner),
        st.builds("vector({})".format, scalar),
        st.builds("vector(scalar({}))".format, inner),
        st.builds("-{}".format, inner),
        st.builds(
            'label_replace({}, "{}", "{}", "{}", "{}")'.format,
            inner,
            st.sampled_from(("code", "new", "instance")),
            st.sampled_from(("$1", "x-${1}", "fixed", "")),
            st.sampled_from(("code", "instance", "missing")),
            st.sampled_from(("(.)0", "(.*):1", "", "([a-z]?).*")),
        ),
        st.builds('label_join({}, "new", "-", "system", "code")'.format, inner),
        st.builds(
            "histogram_quantile({}, sum by (le{}) (rate(delay_seconds_bucket[{}])))".format,
            quantile,
            st.sampled_from(("", ", instance")),
            window,
        ),
        st.sampled_from(("hour()", "minute()", "day_of_week()")),
    )


def aggregated(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    clause = st.one_of(
        st.just(""), st.builds("{} ({}) ".format, st.sampled_from(("by", "without")), labels)
    )
    return st.one_of(
        st.builds("{} {}({})".format, st.sampled_from(REDUCTIONS), clause, inner),
        # A constant: range queries of Prometheus evaluate a parameter with @ only once.
        st.builds("quantile {}({}, {})".format, clause, constant, inner),
        # All values of `noise` are different: equal values have no defined rank.
        st.builds(
            "{} {}({}, {})".format,
            st.sampled_from(("topk", "bottomk")),
            clause,
            st.sampled_from(("0", "1", "2", "3", "100")),
            selector(("noise",)),
        ),
    )


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    by = st.builds("{} ({})".format, st.sampled_from(("on", "ignoring")), labels)
    matching = st.one_of(st.just(""), by)
    grouping = st.one_of(
        matching,
        st.builds(
            "{} {}({})".format,
            by,
            st.sampled_from(("group_left", "group_right")),
            st.sampled_from(("", "severity")),
        ),
    )
    operator = st.one_of(
        st.sampled_from((*ARITHMETIC, *COMPARISONS)),
        st.builds("{} bool".format, st.sampled_from(COMPARISONS)),
    )
    return st.one_of(
        st.builds("({} {} {})".format, inner, operator, scalar),
        st.builds("({} {} {})".format, scalar, operator, inner),
        st.builds("({} {} {} {})".format, inner, operator, grouping, inner),
        st.builds(
            "({} {} {} {})".format, inner, st.sampled_from(("and", "or", "unless")), matching, inner
        ),
        # Joins as in the shipped rules.
        st.builds(
            "({} {} on (system, code) group_left ({}) code_info)".format,
            inner,
            st.sampled_from(("*", "+", "==")),
            st.sampled_from(("", "severity")),
        ),
        st.builds("({} {} on (system) group_left () up)".format, inner, operator),
    )


expressions = st.recursive(
    shifted,
    lambda inner: st.one_of(called(inner), aggregated(inner), combined(inner), over_time(inner)),
    max_leaves=5,
)
