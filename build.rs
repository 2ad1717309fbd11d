//! Compiles the protos without a system `protoc`: protox parses them, prost and tonic generate the code.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use protox::prost_reflect::{
    DescriptorPool, FieldDescriptor, MessageDescriptor, Value, prost::Message as _,
    prost_types::FileDescriptorSet,
};
use tonic_prost_build::Builder;

const PACKAGE: &str = "oauth_clients/v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=src/gateway/testdata");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    generate_code(&out)?;
    compile_test_protos(&out)
}

fn generate_code(out: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(protos()?)?;
    // The encoded set keeps the custom options, which the decoded one drops.
    let encoded = compiler.encode_file_descriptor_set();
    fs::write(out.join("oauth_clients.bin"), &encoded)?;

    let mut descriptors = FileDescriptorSet::decode(encoded.as_slice())?;
    for file in &mut descriptors.file {
        // The comments of the vendored protos are not written for rustdoc.
        if file.name().starts_with("google/") {
            file.source_code_info = None;
        }
    }
    let builder = tonic_prost_build::configure()
        .include_file("protos.rs")
        // Equal messages have the same encoding, of which a digest is made.
        .btree_map(".");
    redact_debug(builder, &compiler.descriptor_pool()).compile_fds(descriptors)?;
    Ok(())
}

/// The files of the package, sorted so that the output does not depend on the file system.
fn protos() -> Result<Vec<String>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new("proto").join(PACKAGE))? {
        let name = entry?.file_name();
        files.push(format!("{PACKAGE}/{}", name.to_string_lossy()));
    }
    files.sort_unstable();
    Ok(files)
}

/// Derives a `Debug` that shows no value of a field with the option `debug_redact`.
fn redact_debug(builder: Builder, pool: &DescriptorPool) -> Builder {
    pool.all_messages().fold(builder, |builder, message| {
        let redacted: Vec<FieldDescriptor> = message.fields().filter(is_redacted).collect();
        if redacted.is_empty() {
            return builder;
        }
        let path = format!(".{}", message.full_name());
        let builder = builder
            .skip_debug([&path])
            .type_attribute(&path, "#[derive(::derive_more::Debug)]");
        redacted
            .iter()
            .fold(builder, |builder, field| redact(builder, &message, field))
    })
}

fn redact(builder: Builder, message: &MessageDescriptor, field: &FieldDescriptor) -> Builder {
    let (message, name) = (message.full_name(), field.name());
    match field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
        // The attribute applies to the variant, whose name still tells which field is set.
        Some(oneof) => builder.field_attribute(
            format!(".{message}.{}.{name}", oneof.name()),
            format!("#[debug(\"{}(…)\")]", upper_camel(name)),
        ),
        None => builder.field_attribute(format!(".{message}.{name}"), "#[debug(\"…\")]"),
    }
}

fn is_redacted(field: &FieldDescriptor) -> bool {
    let options = field.options();
    let redact = options.get_field_by_name("debug_redact");
    redact.is_some_and(|redact| *redact == Value::Bool(true))
}

/// The name that prost gives a variant.
fn upper_camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        })
        .collect()
}

/// Compiles the protos of the transcoder's unit tests.
fn compile_test_protos(out: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = protox::Compiler::new(["src/gateway/testdata", "proto"])?;
    let encoded = compiler
        .include_imports(true)
        .open_files(["library.proto"])?
        .encode_file_descriptor_set();
    fs::write(out.join("library.bin"), encoded)?;
    Ok(())
}
