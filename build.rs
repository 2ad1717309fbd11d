//! Compiles the protos without a system `protoc`: protox parses them, prost and tonic generate the code.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const PROTOS: [&str; 5] = [
    "oauth_clients/v1/client_authentication_service.proto",
    "oauth_clients/v1/error_reason.proto",
    "oauth_clients/v1/oauth_client.proto",
    "oauth_clients/v1/oauth_client_service.proto",
    "oauth_clients/v1/policy.proto",
];

/// Messages that may hold a secret, an assertion or a private key. Their `Debug` is in `src/pb/debug.rs`.
const CONFIDENTIAL: [&str; 7] = [
    ".oauth_clients.v1.AuthenticateClientRequest",
    ".oauth_clients.v1.ClientAssertion",
    ".oauth_clients.v1.ClientSecret",
    ".oauth_clients.v1.JsonWebKey",
    ".oauth_clients.v1.OAuthClient",
    ".oauth_clients.v1.PatchOAuthClientResponse",
    ".oauth_clients.v1.PatchOperation",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=src/gateway/testdata");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    // The encoded set keeps the custom options, which the decoded one drops.
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true);
    let encoded = compiler.open_files(PROTOS)?.encode_file_descriptor_set();
    fs::write(out.join("oauth_clients.bin"), &encoded)?;

    let mut descriptors = prost_types::FileDescriptorSet::decode(encoded.as_slice())?;
    for file in &mut descriptors.file {
        // The comments of the vendored protos are not written for rustdoc.
        if file.name().starts_with("google/") {
            file.source_code_info = None;
        }
    }
    tonic_prost_build::configure()
        .include_file("protos.rs")
        .skip_debug(CONFIDENTIAL)
        .compile_fds(descriptors)?;

    // The transcoder's unit tests bring a proto of their own.
    let mut compiler = protox::Compiler::new(["src/gateway/testdata", "proto"])?;
    compiler.include_imports(true);
    let encoded = compiler
        .open_files(["library.proto"])?
        .encode_file_descriptor_set();
    fs::write(out.join("library.bin"), encoded)?;
    Ok(())
}
