#![doc = "`unzip-jsonl`"]

fn main() -> std::process::ExitCode {
    callpipe::programs::unzip_jsonl::main()
}
