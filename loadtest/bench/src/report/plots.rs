use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::measurement::Measurement;

const SIZE: (u32, u32) = (800, 400);
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

/// A picture beside the page.
pub struct Plot {
    pub title: String,
    pub file: String,
}

type Lines<'a> = Vec<(&'a str, &'a [(f64, f64)])>;

/// A plot for each curve of the row's last round, with a line for each measure that has it.
pub fn of_row(row: &str, measurements: &[Measurement], folder: &Path) -> Result<Vec<Plot>> {
    let last = measurements
        .iter()
        .map(|found| found.round)
        .max()
        .unwrap_or_default();
    let mut by_curve: BTreeMap<&str, Lines<'_>> = BTreeMap::new();
    for found in measurements.iter().filter(|found| found.round == last) {
        for (curve, points) in &found.curves {
            let lines = by_curve.entry(curve).or_default();
            lines.push((found.what.as_str(), points));
        }
    }
    let mut plots = Vec::new();
    for (curve, lines) in by_curve {
        let plot = Plot {
            title: format!("{row}: {}", curve.replace('_', " ")),
            file: format!("{row}-{}.svg", curve.replace('_', "-")),
        };
        // What plotters finds wrong borrows from the drawing, so only its words go on.
        draw(&folder.join(&plot.file), &plot.title, curve, &lines)
            .map_err(|error| anyhow!("{}: {error}", plot.file))?;
        plots.push(plot);
    }
    Ok(plots)
}

fn draw(
    file: &PathBuf,
    title: &str,
    curve: &str,
    lines: &Lines<'_>,
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|(_, points)| points.iter());
    let end = points().map(|(x, _)| *x).fold(0.0, f64::max);
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max);
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..end.max(0.001), 0.0..(top * 1.05).max(0.001))?;
    let x_name = if curve.ends_with("by_percentile") {
        "percentile"
    } else {
        "seconds"
    };
    chart.configure_mesh().x_desc(x_name).draw()?;
    for ((name, points), colour) in lines.iter().zip(COLOURS.into_iter().cycle()) {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}
