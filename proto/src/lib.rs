//! The gRPC contract `depot.v1`: messages, client and server, generated from `proto/depot/v1/*.proto`.

/// Package `depot.v1`.
#[allow(
    clippy::large_enum_variant,
    reason = "the shape of generated code is the generator's"
)]
pub mod v1 {
    tonic::include_proto!("depot.v1");

    /// Every file of the package and what it imports.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/depot.bin"));

    /// The files of `CommandService` and what they import, for the reflection service.
    pub const COMMAND_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/command.bin"));

    /// The files of `QueryService` and what they import, for the reflection service.
    pub const QUERY_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/query.bin"));
}
