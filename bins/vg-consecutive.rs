#![doc = "`vg-consecutive`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::vg_consecutive::main()
}
