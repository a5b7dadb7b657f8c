#![doc = "`ocp-receive`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::ocp_receive::main()
}
