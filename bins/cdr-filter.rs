#![doc = "`cdr-filter`"]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    callpipe::programs::cdr_filter::main()
}
