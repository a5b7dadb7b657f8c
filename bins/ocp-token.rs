#![doc = "`ocp-token`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::ocp_token::main()
}
