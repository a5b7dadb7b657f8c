#![doc = "`ocp-subscribe`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::ocp_subscribe::main()
}
