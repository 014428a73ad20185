"""Draws the points of tests/bench/curve with gnuplot: a panel for each question that they answer."""
import dataclasses
import subprocess

GREY = "#8a8a8a"
SHARE_COLOURS = {0: "#1b7f5c", 1: "#5b7fc7", 10: "#d99a00", 100: "#c2410c"}
PROGRAM_COLOURS = {"floor": GREY, "weir": "#1b7f5c", "softflowd": "#5b7fc7", "nfpcapd": "#8e5bb5", "pmacctd": "#d99a00",
                   "argus": "#c2410c"}
OTHER_COLOURS = ["#1b7f5c", "#5b7fc7", "#c2410c", "#8e5bb5", "#d99a00", "#4d4d4d"]
TO_A_MILLION = "set xrange [800:1300000]"
PANEL_SIZE, COLUMNS = (640, 430), 2


@dataclasses.dataclass
class Series:
    label: str
    colour: str
    points: dict  # x: y
    dashed: bool = False


@dataclasses.dataclass
class Panel:
    title: str
    y_label: str
    series: list
    x_label: str = "active flows"
    y_log: bool = True
    settings: tuple = ()

    @property
    def drawn(self):
        return [series for series in self.series if series.points]


def share_label(percent):
    some = f"{percent} % of the packets begin a flow"
    return {0: "no packet begins a flow", 100: "every packet begins a flow"}.get(percent, some)


def share_colour(percent):
    return SHARE_COLOURS.get(percent, OTHER_COLOURS[percent % len(OTHER_COLOURS)])


def flows_text(flows):
    for unit, name in ((1_000_000, " M"), (1000, " k")):
        if flows >= unit:
            return f"{flows / unit:g}{name}"
    return str(flows)


def values(points, name):
    return sorted({p[name] for p in points})


def over_flows(points, y, **where):
    return {p["flows"]: p[y] for p in points if all(p[name] == value for name, value in where.items())}


# What is asked

def engine_shares(points, family):
    mine = [p for p in points if p["family"] == family]
    frame = min(values(mine, "frame_len"))
    mine = [p for p in mine if p["frame_len"] == frame]
    shares = values(mine, "new_percent")
    floor = Series("floor: the frame's first line read, no more", GREY,
                   over_flows(mine, "floor_ns", new_percent=shares[0]), True)
    shares = [Series(share_label(share), share_colour(share), over_flows(mine, "engine_ns", new_percent=share))
              for share in reversed(shares)]
    return Panel(f"Engine, IPv{family}, frames of {frame} octets", "ns per packet, one core", [*shares, floor],
                 settings=("set yrange [8:4000]",))


def engine_frames(points):
    family = min(values(points, "family"), default=4)
    mine = [p for p in points if p["family"] == family and p["new_percent"] == 0]
    frames = values(mine, "frame_len")
    known = [p for p in mine if len({q["frame_len"] for q in mine if q["flows"] == p["flows"]}) > 1]
    lines = [Series(f"{flows_text(flows)} flows", OTHER_COLOURS[i % len(OTHER_COLOURS)],
                    {p["frame_len"]: p["engine_ns"] for p in known if p["flows"] == flows})
             for i, flows in reversed(list(enumerate(values(known, "flows"))))]
    floor = Series("floor", GREY, {p["frame_len"]: p["floor_ns"] for p in known}, True)
    ticks = ", ".join(f"'{frame}' {frame}" for frame in frames)
    return Panel(f"Engine, IPv{family}, no packet begins a flow", "ns per packet, one core", [*lines, floor],
                 "octets of a frame", settings=("set yrange [8:1000]", "set xrange [50:2000]", f"set xtics ({ticks})"))


def live_case(points):
    """The lines of the family and frame size that has the most."""
    kinds = [(p["family"], p["frame_len"]) for p in points]
    best = max(kinds, key=kinds.count, default=(4, 64))
    return best, [p for p in points if (p["family"], p["frame_len"]) == best]


def live_rate(points):
    (family, frame), mine = live_case(points)
    mine = [{**p, "rate": p["packets_per_second"] / 1e6, "floor": p["floor_packets_per_second"] / 1e6,
             "sender": p["sender_packets_per_second"] / 1e6} for p in mine]
    lines = [Series("floor: frames taken, no more", GREY, over_flows(mine, "floor"), True)]
    for share in values(mine, "new_percent"):
        colour = share_colour(share)
        lines.append(Series(share_label(share), colour, over_flows(mine, "rate", new_percent=share)))
        lines.append(Series("as fast as the sender could", colour, over_flows(mine, "sender", new_percent=share), True))
    top = max((p[name] for p in mine for name in ("rate", "floor", "sender")), default=1)
    return Panel(f"Live on a veth, IPv{family}, {frame} octets: highest rate without loss",
                 "million packets/s, one worker", lines, y_log=False,
                 settings=(f"set yrange [0:{1.6 * top}]", TO_A_MILLION))


def live_loss(points):
    _, mine = live_case(points)
    shares = [Series(share_label(share), share_colour(share),
                     over_flows(mine, "loss_percent_at_full_speed", new_percent=share))
              for share in values(mine, "new_percent")]
    top = max((p["loss_percent_at_full_speed"] for p in mine), default=0)
    rates = [p["sender_packets_per_second"] / 1e6 for p in mine]
    speed = f"{min(rates):.1f} to {max(rates):.1f} million packets/s" if rates else ""
    return Panel(f"Live: loss at the sender's full speed ({speed})", "% of the packets", shares, y_log=False,
                 settings=(f"set yrange [0:{max(10, 1.4 * top)}]", TO_A_MILLION))


def peer_label(points, name):
    """Says of a program that lost packets how many it counted."""
    label = {"floor": "floor: bare libpcap loop", "weir": "weir read -w x.ipfix"}.get(name, name)
    mine = [p for p in points if p["program"] == name]
    lossy = [(p["packets_counted"] * 100 // p["packets"], p["flows"]) for p in mine if "packets_counted" in p]
    told = ", ".join(f"{percent} % of {flows_text(flows)} flows" for percent, flows in lossy if percent < 99)
    return f"{label} (counted {told})" if told else label


def peers(points):
    names = list(dict.fromkeys(p["program"] for p in points))
    order = sorted(names, key=lambda name: -max(p["ns_per_packet"] for p in points if p["program"] == name))
    lines = [Series(peer_label(points, name), PROGRAM_COLOURS.get(name, OTHER_COLOURS[-1]),
                    over_flows(points, "ns_per_packet", program=name), name == "floor") for name in order]
    return Panel("Reading one capture, 64 octets a frame", "ns of processor time per packet", lines,
                 settings=("set yrange [20:50000]", TO_A_MILLION))


def panels(points):
    measured = [p for p in points if "left_out" not in p]
    engine, live, read = ([p for p in measured if p["kind"] == kind] for kind in ("engine", "lossless", "peer"))
    families = values(engine, "family")
    wanted = [*(engine_shares(engine, family) for family in families), engine_frames(engine), peers(read),
              live_rate(live), live_loss(live)]
    return [panel for panel in wanted if panel.drawn]


# How it is drawn

NS_TICKS = ", ".join(f"{digit * 10**n}" for n in range(1, 5) for digit in (1, 2, 5))
FLOW_TICKS = ", ".join(f"'{flows_text(10**n)}' {10**n}" for n in range(3, 9))
STYLE = f"""set border 3 lc rgb '#555555'
set tics nomirror out scale 0.6
set grid xtics ytics lc rgb '#e3e3e3' lt 1 lw 1
set key top left Left reverse samplen 1.6 spacing 1.15 font ',10'
set logscale x
set xtics ({FLOW_TICKS})
set xrange [800:30000000]
set ytics auto
set yrange [*:*]
unset mxtics
unset mytics
"""


def plotted(panel, number):
    """The panel's data and its plot command."""
    blocks, plots = [], []
    for i, series in enumerate(panel.drawn):
        name = f"$panel{number}_{i}"
        rows = "".join(f"{x} {y}\n" for x, y in sorted(series.points.items()))
        blocks.append(f"{name} << EOD\n{rows}EOD\n")
        look = "dt 2 lw 1.6 pt 7 ps 0.5" if series.dashed else "lw 2.2 pt 7 ps 0.8"
        plots.append(f"{name} using 1:2 with linespoints lc rgb '{series.colour}' {look} title \"{series.label}\"")
    scale = f"set logscale y\nset ytics ({NS_TICKS})" if panel.y_log else "unset logscale y"
    labels = [f'set title "{panel.title}" font ",12"', f"set xlabel '{panel.x_label}'", f"set ylabel '{panel.y_label}'"]
    return "".join(blocks), "\n".join([STYLE, scale, *labels, *panel.settings, "plot " + ", ".join(plots)])


def draw(points, png):
    """False when there is nothing to draw."""
    drawn = [plotted(panel, i) for i, panel in enumerate(panels(points))]
    if not drawn:
        return False
    columns = min(COLUMNS, len(drawn))
    rows = -(-len(drawn) // columns)
    width, height = PANEL_SIZE[0] * columns, PANEL_SIZE[1] * rows
    script = "\n".join([*(blocks for blocks, _ in drawn), f"set terminal pngcairo size {width},{height} font 'sans,11'",
                        f"set output '{png}'", f"set multiplot layout {rows},{columns}", *(plot for _, plot in drawn),
                        "unset multiplot", ""])
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return True
