//! Compiles `depot/v1/*.proto` without protoc, and writes the descriptor sets that reflection serves.

use std::{env, error::Error, fs, path::PathBuf};

use protox::prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=depot");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Each service tells of itself alone.
    for side in ["command", "query"] {
        let descriptors = protox::compile([format!("depot/v1/{side}_service.proto")], ["."])?;
        fs::write(out.join(format!("{side}.bin")), descriptors.encode_to_vec())?;
    }
    let both = protox::compile(
        ["depot/v1/command_service.proto", "depot/v1/query_service.proto"],
        ["."],
    )?;
    fs::write(out.join("depot.bin"), both.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(both)?;
    Ok(())
}
