"""Draws the points of tests/bench/curve with gnuplot."""
import subprocess


def draw(points, png):
    engine = [p for p in points if p["kind"] == "engine" and "left_out" not in p]
    curves, floor = {}, {}
    for p in engine:
        curves.setdefault((p["family"], p["new_percent"], p["frame_len"]), {})[p["flows"]] = p["engine_ns"]
        floor[p["flows"]] = p["floor_ns"]
    series = [("floor: frame read, no more", floor)] + [
        (f"IPv{family}, {share} % of packets begin a flow, {frame} B", curve) for (family, share, frame), curve in curves.items()]
    blocks = "".join(f"$d{i} << EOD\n" + "".join(f"{x} {y}\n" for x, y in sorted(data.items())) + "EOD\n"
                     for i, (_, data) in enumerate(series))
    plots = ", ".join(f"$d{i} using 1:2 with linespoints title '{title}'" for i, (title, _) in enumerate(series))
    script = "\n".join([
        blocks, "set terminal pngcairo size 900,520 font 'sans,11'", f"set output '{png}'", "set logscale xy", "set grid",
        "set xlabel 'active flows'", "set ylabel 'ns per packet, one core'", "set key top left", "set yrange [5:*]",
        "plot " + plots, ""])
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
