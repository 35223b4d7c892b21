//! The drop-in front.

fn main() -> std::process::ExitCode {
    mailferry_cli::drop_in::main()
}
