//! See `agent --help`, and `aliquot::agent`.

fn main() -> std::process::ExitCode {
    aliquot::agent::main()
}
