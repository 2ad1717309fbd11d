# Short names for commands that work without just.

_list:
    @{{ just_executable() }} --list --unsorted

# Type-check everything.
check:
    cargo check --workspace --all-targets --locked

# Run the unit tests, or those whose name has the argument in it.
unit *args:
    cargo test --workspace --lib --locked {{ args }}

# Run all tests. TEST_POSTGRES_URL adds PostgreSQL.
test *args:
    cargo test --workspace --locked {{ args }}

# Cause all faults, and print what became of them: docs/chaos.md.
chaos *args:
    cargo build --release --locked --bin oauth-clients --example chaos
    target/release/examples/chaos {{ args }}

# Run everything that has to hold, or the named steps.
ci *args:
    .ci/run {{ args }}

# Format the code.
format:
    cargo fmt --all

# Start a server for development.
serve *args:
    cargo run --locked -- serve --dev {{ args }}
