use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use super::{
    plots,
    summary::{Measure, RowSummary},
    table::figure,
};
use crate::measurement::Results;

/// What stands between these lines is written anew; what people wrote around it stays.
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";
const HEAD: &str = "# Performance report\n\n\
    Ratios, measured in one run on one machine. `make bench` measures all rows again, and each row names the command \
    that measures it alone. The goal is met by the median; ratios are cut, never rounded in our favour.\n\n";

/// Writes the page, and its plots into a folder of its name beside it.
pub fn write(rows: &[RowSummary], results: &Results, page: &Path) -> Result<()> {
    let folder = page.with_extension("");
    fs::create_dir_all(&folder)?;
    let name = folder.file_name().context("a page has a name")?.to_string_lossy();
    let mut text = table(rows);
    for row in rows {
        text += &section(row);
        for plot in plots::of_row(row.row, &results.all(row.row)?, &folder)? {
            writeln!(text, "![{}]({name}/{})\n", plot.title, plot.file)?;
        }
    }
    let known = fs::read_to_string(page).unwrap_or_default();
    fs::write(page, within(&known, &text)).with_context(|| page.display().to_string())
}

/// The known page with another part between the two lines.
fn within(known: &str, text: &str) -> String {
    let part = format!("{BEGIN}\n{text}{END}");
    match (known.split_once(BEGIN), known.split_once(END)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{part}{after}"),
        _ => format!("{HEAD}{part}\n"),
    }
}

fn table(rows: &[RowSummary]) -> String {
    let mut text =
        "\n| row | limit or peer | ours | ratio | goal | reached |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        for verdict in &row.goals {
            let (against, ours, ratio, reached) = match verdict.reading {
                Some(reading) => (
                    figure(reading.against_median),
                    figure(reading.ours_median),
                    format!("{:.2}", reading.ratio),
                    if reading.reached { "yes" } else { "no" },
                ),
                None => Default::default(),
            };
            let reached = if reached.is_empty() {
                "not measured"
            } else {
                reached
            };
            text += &format!(
                "| {} | {against} ({}) | {ours} ({}) | {ratio} | {} | {reached} |\n",
                row.row, verdict.against, verdict.ours, verdict.goal
            );
        }
    }
    text
}

fn section(row: &RowSummary) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n`{}`", row.row, row.about, row.command);
    if row.quick {
        text += " (here: a first reading, one short round)";
    }
    text += "\n\n| measure | rounds | figure | median | least | most |\n|---|---|---|---|---|---|\n";
    for (name, measure) in &row.measures {
        text += &figures(name, measure);
    }
    text += "\n| measure | process | CPU s | resident before, MiB | at most, MiB |\n|---|---|---|---|---|\n";
    for (name, measure) in &row.measures {
        text += &processes(name, measure);
    }
    text + "\n"
}

fn figures(name: &str, measure: &Measure) -> String {
    if let Some(reason) = &measure.not_measured {
        return format!("| {name} | | not measured: {reason} | | | |\n");
    }
    let lines = measure.figures.iter().map(|(what, spread)| {
        format!(
            "| {name} | {} | {what} | {} | {} | {} |\n",
            measure.rounds,
            figure(spread.median),
            figure(spread.min),
            figure(spread.max)
        )
    });
    lines.collect()
}

fn processes(name: &str, measure: &Measure) -> String {
    let mib = |bytes: f64| figure(bytes / 1024.0 / 1024.0);
    let lines = measure.processes.iter().map(|(process, used)| {
        format!(
            "| {name} | {process} | {} | {} | {} |\n",
            figure(used.cpu_seconds.median),
            mib(used.rss_before_bytes.median),
            mib(used.rss_peak_bytes.max)
        )
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_around_the_measured_part_stays() {
        let first = within("", "one\n");
        assert!(first.starts_with(HEAD) && first.contains("one\n"));
        let written = format!("{first}\nWhere the time goes.\n");
        let second = within(&written, "two\n");
        assert!(second.contains("two\n") && !second.contains("one\n"));
        assert!(second.ends_with("\nWhere the time goes.\n"));
    }
}
