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
OVER_RANGES = (
    *(f"{name}_over_time" for name in ("avg", "min", "max", "sum", "count", "last")),
    *("rate", "increase"),
)
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
OPERATORS = ("+", "-", "*", "/", *COMPARISONS)

one_of = st.sampled_from
number = one_of(("0", "0.5", "1", "3", "10", "-2", "0.125"))
scalar = st.one_of(
    number,
    st.builds("({} {} {})".format, number, one_of("+-*/"), number),
    one_of(("time()", "-time()")),
)
offset = one_of(("", "", "", " offset 1m", " offset 7m"))
window = one_of(("45s", "2m", "5m", "5m1s", "20m"))
quantile = one_of(("0", "0.25", "0.5", "0.9", "1"))
labels = st.lists(one_of(tuple(VALUES)), max_size=3, unique=True).map(", ".join)
by = st.one_of(st.just(""), st.builds("by ({}) ".format, labels))


@st.composite
def selector(draw: st.DrawFn, metrics: tuple[str, ...] = tuple(METRICS)) -> str:
    metric = draw(one_of(metrics))
    matchers = []
    for name in draw(st.lists(one_of(METRICS[metric]), max_size=2, unique=True)):
        value, other = draw(one_of(VALUES[name])), draw(one_of(VALUES[name]))
        matcher = one_of((f'="{value}"', f'!="{value}"', f'=~"{value}|{other}"', '!~".*0|b.+"'))
        matchers.append(name + draw(matcher))
    return f"{metric}{{{', '.join(matchers)}}}"


@st.composite
def over_range(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    if draw(st.booleans()):
        range_ = f"{draw(selector())}[{draw(window)}]{draw(offset)}"
    else:
        step = draw(one_of(("30s", "1m", "75s", "")))
        range_ = f"({draw(inner)})[{draw(one_of(('3m', '10m')))}:{step}]{draw(offset)}"
    if draw(st.integers(0, 5)) == 0:
        return f"quantile_over_time({draw(quantile)}, {range_})"
    # Averages differ in the last bit, and a counter that falls by a bit has a reset.
    functions = OVER_RANGES[:-2] if "avg_over_time" in range_ else OVER_RANGES
    return f"{draw(one_of(functions))}({range_})"


def called(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}({})".format, one_of(("sqrt", "round", "absent", "-")), inner),
        st.builds("{}({}, {})".format, one_of(("clamp_min", "round")), inner, number),
        st.builds("vector({})".format, scalar),
    )


def aggregated(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    reductions = one_of(("sum", "max", "count", "group"))
    # All values of `noise` are different: equal values have no defined rank.
    noise = selector(("noise",))
    return st.one_of(
        st.builds("{} {}({})".format, reductions, by, inner),
        st.builds("topk {}({}, {})".format, by, one_of(("0", "1", "2.9", "100")), noise),
    )


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    on = st.builds("{} ({})".format, one_of(("on", "ignoring")), labels)
    matching = st.one_of(st.just(""), on)
    group_left = st.builds("{} group_left ({})".format, on, one_of(("", "severity")))
    grouping = st.one_of(matching, group_left)
    operator = one_of(OPERATORS)
    return st.one_of(
        st.builds("({} {} {})".format, inner, operator, scalar),
        st.builds("({} {} {})".format, scalar, operator, inner),
        st.builds("({} {} {} {})".format, inner, operator, grouping, inner),
        st.builds("({} {} {} {})".format, inner, one_of(("and", "or", "unless")), matching, inner),
        # Joins as in the shipped rules.
        st.builds(
            "({} {} on (system, code) group_left ({}) code_info)".format,
            inner,
            one_of(("*", "+", "==")),
            one_of(("", "severity")),
        ),
        st.builds("({} {} on (system) group_left () up)".format, inner, operator),
    )


expressions = st.recursive(
    st.builds("{}{}".format, selector(), offset),
    lambda inner: st.one_of(called(inner), aggregated(inner), combined(inner), over_range(inner)),
    max_leaves=5,
)
