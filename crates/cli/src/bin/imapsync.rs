//! The drop-in front.

fn main() -> std::process::ExitCode {
    mailferry_cli::imapsync::main()
}
