#![cfg(test)]
//! The gRPC contract against those of the versions that were released: `schemas/released/VERSION/proto`.

mod breaks;
mod planted;

use std::{
    fs,
    path::{Path, PathBuf},
};

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// What this tree has.
fn own() -> FileDescriptorSet {
    FileDescriptorSet::decode(depot_proto::v1::FILE_DESCRIPTOR_SET).unwrap()
}

/// What a folder of proto files has.
fn compiled(folder: &Path) -> FileDescriptorSet {
    let files = fs::read_dir(folder.join("depot/v1")).unwrap();
    let names = files.map(|file| format!("depot/v1/{}", file.unwrap().file_name().to_string_lossy()));
    let compiled = protox::compile(names.collect::<Vec<_>>(), [folder]);
    let compiled = compiled.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    // By its bytes, so that it matters nowhere whose types the compiler has.
    FileDescriptorSet::decode(protox::prost::Message::encode_to_vec(&compiled).as_slice()).unwrap()
}

#[test]
fn no_version_of_the_grpc_contract_breaks_another() {
    let released = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas/released");
    let mut versions = 0;
    for release in fs::read_dir(released).unwrap() {
        let release = release.unwrap().path();
        if !release.is_dir() {
            continue;
        }
        let breaks = breaks::of(&compiled(&release.join("proto")), &own());
        assert!(
            breaks.is_empty(),
            "since {}:\n{}",
            release.display(),
            breaks.join("\n")
        );
        versions += 1;
    }
    assert!(versions >= 1, "no version is kept");
}
