//! bkverify: parse, run, exit code.

fn main() -> std::process::ExitCode {
    bkverify::run(std::env::args_os()).into()
}
