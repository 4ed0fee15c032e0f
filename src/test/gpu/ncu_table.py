"""The table of the profiler: one row for each launch. Argument: what ncu wrote with --csv --page raw."""
import csv
import sys

COLUMNS = [
    ("us", "gpu__time_duration.sum"),
    ("dram/s", "dram__bytes.sum.per_second"),
    ("dram %", "dram__throughput.avg.pct_of_peak_sustained_elapsed"),
    ("L2 sectors read", "lts__t_sectors_op_read.sum"),
    ("tensor %", "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"),
    ("issue %", "smsp__issue_active.avg.pct_of_peak_sustained_active"),
    ("long scoreboard", "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio"),
    ("barrier", "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio"),
    ("bank conflicts", "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"),
    ("wavefronts", "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"),
]


def main(path):
    with open(path, newline="") as file:
        lines = [line for line in file if line.startswith('"')]
    rows = list(csv.DictReader(lines))
    if not rows:
        print("no launch was profiled")
        return
    units, launches = rows[0], rows[1:]
    names = [f"{name} {units.get(metric) or ''}".strip() for name, metric in COLUMNS]
    print("| kernel | grid | " + " | ".join(names) + " |")
    for launch in launches:
        values = " | ".join(launch.get(metric) or "-" for _, metric in COLUMNS)
        print(f"| {launch['Kernel Name']} | {launch['Grid Size']} | {values} |")


main(sys.argv[1])
