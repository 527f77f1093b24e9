//! What was found: summary.json for programs, a table for the terminal, a page with plots for the documents.

mod page;
mod plots;
mod summary;
mod table;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    measurement::Results,
    rows::{GROWTH, ROWS},
};

/// Writes summary and page from all that was measured so far, and prints the table.
pub fn write(results: &Results, page: &Path) -> Result<()> {
    let mut rows = Vec::new();
    for row in ROWS.iter().chain(GROWTH) {
        let measurements = results.all(row.name)?;
        if !measurements.is_empty() {
            rows.push(summary::of_row(row, &measurements));
        }
    }
    let file = results.0.join("summary.json");
    fs::create_dir_all(&results.0)?;
    fs::write(&file, serde_json::to_vec_pretty(&rows)?).with_context(|| file.display().to_string())?;
    page::write(&rows, results, page)?;
    print!("{}", table::of(&rows));
    println!("\n{}\n{}", file.display(), page.display());
    Ok(())
}
