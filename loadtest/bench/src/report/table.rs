use std::fmt::Write as _;

use super::summary::{RowSummary, Verdict};

/// One line a goal, for a terminal.
pub fn of(rows: &[RowSummary]) -> String {
    let mut text = format!(
        "\n{:<20} {:<26} {:>12} {:<26} {:>12} {:>7} {:>7}  {}\n",
        "row", "limit or peer", "", "ours", "", "ratio", "goal", "reached"
    );
    for row in rows {
        for verdict in &row.goals {
            let _infallible = writeln!(text, "{}", line(row, verdict));
        }
        if row.quick {
            let _infallible = writeln!(text, "{:<20} (a first reading: one short round)", row.row);
        }
    }
    text
}

fn line(row: &RowSummary, verdict: &Verdict) -> String {
    let (name, goal) = (row.row, &verdict.goal);
    let Some(reading) = verdict.reading else {
        return format!(
            "{name:<20} {:<26} {:>12} {:<26} {:>12} {:>7} {goal:>7}  not measured",
            verdict.against, "-", verdict.ours, "-", "-"
        );
    };
    format!(
        "{name:<20} {:<26} {:>12} {:<26} {:>12} {:>7.2} {goal:>7}  {}",
        verdict.against,
        figure(reading.against_median),
        verdict.ours,
        figure(reading.ours_median),
        reading.ratio,
        if reading.reached { "yes" } else { "NO" }
    )
}

/// As many digits as say something.
pub fn figure(value: f64) -> String {
    match value.abs() {
        10_000_000.0.. => format!("{:.1} M", value / 1e6),
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
