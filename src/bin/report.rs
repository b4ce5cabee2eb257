//! See `report --help`, and `aliquot::report`.

fn main() -> std::process::ExitCode {
    aliquot::report::main()
}
