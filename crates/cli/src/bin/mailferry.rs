//! The modern front.

fn main() -> std::process::ExitCode {
    mailferry_cli::mailferry::main()
}
