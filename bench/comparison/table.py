"""From the numbers of all rounds to a table with spread."""
from statistics import median

COUNTED = ("prefilled", "generated", "decode_calls", "wasted", "computed_twice", "distinct")


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def summarise(workload, shape, rounds):
    """rounds: one {server: {metric: number}} each. Returns what the table shows, as JSON-able values."""
    servers = sorted({server for numbers in rounds for server in numbers})
    values = {}
    for server in servers:
        have = [numbers[server] for numbers in rounds if server in numbers]
        values[server] = {metric: spread([h[metric] for h in have if metric in h]) for metric in in_order(have[0])}
    return {"name": workload.name, "about": workload.about, "row": workload.row, "model": shape, "values": values,
            "goals": [judge(goal, rounds) for goal in workload.goals]}


def in_order(metrics):
    """Counted work before time."""
    return sorted(metrics, key=lambda metric: not any(word in metric for word in COUNTED))


def judge(goal, rounds):
    reached = [value for numbers in rounds if (value := reached_in(goal, numbers)) is not None]
    result = {"metric": goal.metric, "kind": goal.kind, "bound": goal.bound, "at_least": goal.at_least, "against": goal.against}
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
    theirs = [values[goal.metric] for server, values in numbers.items()
              if server != "weft" and goal.against in ("", server) and values.get(goal.metric)]
    if not theirs:
        return None
    # Nothing at all, where less is better, counts as one.
    return ours / max(theirs) if goal.higher_is_better else min(theirs) / (ours or 1)


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
        what = f"x {goal['against'] or 'the others'}" if goal["kind"] == "ratio" else ""
        reached = show_spread(goal["reached"]) if "reached" in goal else "-"
        sign = ">=" if goal["at_least"] else "<="
        print(f"  {goal['verdict']:>12}  {goal['metric']} {reached} {what}, goal {sign} {show(goal['bound'])}")


# ---- the table of goals ---------------------------------------------------------------------------------------------

def goals_table(summaries, conditions):
    """Markdown: one line for each goal, counted work below."""
    lines = [f"{conditions['cpu']}, {conditions['cores']} cores, {conditions['threads']} threads, load before "
             f"{conditions['load_before']:.1f}, {conditions['date'][:10]}, weights {conditions['weights']}, rounds: {conditions['rounds']}.", "",
             "| # | Workload | Number | weft | llama-server, default | llama-server, best flags | Reached | Goal | |",
             "|---|---|---|---|---|---|---|---|---|"]
    for summary in summaries:
        for n, goal in enumerate(summary["goals"]):
            head = f"{summary['row']} | {summary['about']} ({summary['model']})" if n == 0 else " | "
            lines.append(f"| {head} | {words(goal['metric'])} | {cell(summary, 'weft', goal['metric'])} | "
                         f"{cell(summary, 'llama-default', goal['metric'])} | {best_cell(summary, goal['metric'])} | "
                         f"{reached_text(goal)} | {goal_text(goal)} | {goal['verdict']} |")
    lines += ["", "| # | Counted work | weft | llama-server, default | llama-server, best flags |", "|---|---|---|---|---|"]
    for summary in summaries:
        metrics = [m for m in summary["values"].get("weft", {}) if any(word in m for word in COUNTED)]
        for n, metric in enumerate(metrics):
            lines.append(f"| {summary['row'] if n == 0 else ''} | {words(metric)} | {cell(summary, 'weft', metric)} | "
                         f"{cell(summary, 'llama-default', metric)} | {best_cell(summary, metric)} |")
    return "\n".join(lines) + "\n"


def words(metric):
    return metric.replace("_", " ")


def cell(summary, server, metric):
    found = summary["values"].get(server, {}).get(metric)
    return show_spread(found) if found else ""


def best_cell(summary, metric):
    """Of the best flags; where there is no server to compare with, of what there is instead."""
    for server in ("llama-best", "batched-bench"):
        if text := cell(summary, server, metric):
            return text + (" (llama-batched-bench)" if server == "batched-bench" else "")
    return ""


def reached_text(goal):
    if "reached" not in goal:
        return "-"
    return show_spread(goal["reached"]) + ("x" if goal["kind"] == "ratio" else "")


def goal_text(goal):
    of = f" of {goal['against']}" if goal["against"] else ""
    return f"{'>=' if goal['at_least'] else '<='} {show(goal['bound'])}{'x' if goal['kind'] == 'ratio' else ''}{of}"
