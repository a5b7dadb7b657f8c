#![doc = "`ocp-metrics`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::ocp_metrics::main()
}
