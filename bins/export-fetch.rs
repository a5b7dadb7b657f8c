#![doc = "`export-fetch`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::export_fetch::main()
}
