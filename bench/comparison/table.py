"""From the numbers of all rounds to a table with spread."""
from statistics import median


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def summarise(workload, shape, rounds):
    """rounds: one {server: {metric: number}} each. Returns what the table shows, as JSON-able values."""
    servers = sorted({server for numbers in rounds for server in numbers})
    values = {}
    for server in servers:
        have = [numbers[server] for numbers in rounds if server in numbers]
        values[server] = {metric: spread([h[metric] for h in have if metric in h]) for metric in have[0]}
    return {"name": workload.name, "about": workload.about, "model": shape, "values": values,
            "goals": [judge(goal, rounds) for goal in workload.goals]}


def judge(goal, rounds):
    reached = [value for numbers in rounds if (value := reached_in(goal, numbers)) is not None]
    result = {"metric": goal.metric, "kind": goal.kind, "bound": goal.bound, "at_least": goal.at_least}
    if not reached:
        return result | {"verdict": "not measured"}
    found = spread(reached)
    met = found["median"] >= goal.bound if goal.at_least else found["median"] <= goal.bound
    return result | {"reached": found, "verdict": "ok" if met else "MISSED"}


def reached_in(goal, numbers):
    """weft's number, or how many times better it is than the better llama-server; within one round only, so that what
    else the machine did meets all alike."""
    ours = numbers.get("weft", {}).get(goal.metric)
    if ours is None or goal.kind == "value":
        return ours
    theirs = [values[goal.metric] for server, values in numbers.items() if server != "weft" and values.get(goal.metric)]
    if not theirs or not ours:
        return None
    return ours / max(theirs) if goal.higher_is_better else min(theirs) / ours


def show(value):
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def show_spread(found):
    if found["min"] == found["max"]:
        return show(found["median"])
    return f"{show(found['median'])} ({show(found['min'])}..{show(found['max'])})"


def print_summary(summary):
    print(f"\n{summary['name']}: {summary['about']} [{summary['model']}]")
    servers = list(summary["values"])
    metrics = list(dict.fromkeys(metric for server in servers for metric in summary["values"][server]))
    print("  " + "".ljust(22) + "".join(server.rjust(28) for server in servers))
    for metric in metrics:
        cells = [summary["values"][server].get(metric) for server in servers]
        if any(cell and cell["max"] for cell in cells):
            print("  " + metric.ljust(22) + "".join((show_spread(cell) if cell else "-").rjust(28) for cell in cells))
    for goal in summary["goals"]:
        what = "x llama-server" if goal["kind"] == "ratio" else ""
        reached = show_spread(goal["reached"]) if "reached" in goal else "-"
        sign = ">=" if goal["at_least"] else "<="
        print(f"  {goal['verdict']:>12}  {goal['metric']} {reached} {what}, goal {sign} {show(goal['bound'])}")
