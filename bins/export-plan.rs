#![doc = "`export-plan`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::export_plan::main()
}
