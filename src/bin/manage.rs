//! See `manage --help`, and `aliquot::manage`.

fn main() -> std::process::ExitCode {
    aliquot::manage::main()
}
