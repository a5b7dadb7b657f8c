#![doc = "`dialpad-window`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::dialpad_window::main()
}
