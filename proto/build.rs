//! Compiles `depot/v1/*.proto` without protoc, and writes the descriptor sets that reflection serves.

use std::{env, error::Error, fs, path::PathBuf};

use protox::prost::Message;

/// The folder of the package, as its files import each other.
const FOLDER: &str = "depot/v1";
/// The service of command-api. All others are query-api's.
const COMMANDS: &str = "command_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=depot");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let services = services()?;
    // Each side tells of itself alone.
    let (commands, queries): (Vec<_>, Vec<_>) = services.iter().partition(|file| file.ends_with(COMMANDS));
    for (side, files) in [("command", commands), ("query", queries)] {
        let descriptors = protox::compile(files, ["."])?;
        fs::write(out.join(format!("{side}.bin")), descriptors.encode_to_vec())?;
    }
    let all = protox::compile(&services, ["."])?;
    fs::write(out.join("depot.bin"), all.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(all)?;
    Ok(())
}

/// The files that have a service, in the order of their names; what they import comes with them.
fn services() -> Result<Vec<String>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(FOLDER)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with("_service.proto") {
            files.push(format!("{FOLDER}/{name}"));
        }
    }
    files.sort();
    Ok(files)
}
