//! The `argus` command: parses, runs, gives the exit code.

/// Freed memory goes back to where it is used next, with little locking between threads.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    argus::cli::main()
}
