//! Puts the console's files into the program: each as it is, and compressed once, here, where that is smaller.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// Beside the files of the page: what is for who works on it.
const NOT_SERVED: [&str; 3] = ["node_modules", "test", "tests"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("console");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed={}", root.display());
    let mut found = Vec::new();
    gather(&root, &mut found)?;
    found.sort();
    let mut table = String::from("pub(super) static FILES: &[File] = &[\n");
    for (number, path) in found.iter().enumerate() {
        let name = path
            .strip_prefix(&root)?
            .to_str()
            .ok_or("a file's name is not UTF-8")?;
        let (media_type, is_text) = kind(path)?;
        let plain = fs::read(path)?;
        let compressed = compress(&plain)?;
        let gzip = if is_text && compressed.len() < plain.len() {
            let file = out.join(format!("console-{number}.gz"));
            fs::write(&file, compressed)?;
            format!("Some(include_bytes!({file:?}))")
        } else {
            "None".to_owned()
        };
        writeln!(
            table,
            "    File {{ path: {name:?}, media_type: {media_type:?}, plain: include_bytes!({path:?}), gzip: {gzip} }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("console.rs"), table)?;
    Ok(())
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or("a file's name is not UTF-8")?;
        let is_for_developers = name.ends_with(".md") || name.ends_with(".test.js") || name.starts_with('.');
        if NOT_SERVED.contains(&name) || is_for_developers {
            continue;
        }
        if path.is_dir() {
            gather(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The media type, and whether it is worth to be compressed.
fn kind(path: &Path) -> Result<(&'static str, bool), Box<dyn Error>> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    Ok(match extension {
        Some("html") => ("text/html; charset=utf-8", true),
        Some("css") => ("text/css; charset=utf-8", true),
        Some("js" | "mjs") => ("text/javascript; charset=utf-8", true),
        Some("json") => ("application/json", true),
        Some("svg") => ("image/svg+xml", true),
        // A licence has no extension, and is handed out with what it is of.
        Some("txt") | None => ("text/plain; charset=utf-8", true),
        Some("png") => ("image/png", false),
        Some("ico") => ("image/x-icon", false),
        Some("woff2") => ("font/woff2", false),
        _ => return Err(format!("{}: no media type is known for it", path.display()).into()),
    })
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
