//! See `pow --help`, and `aliquot::pow`.

fn main() -> std::process::ExitCode {
    aliquot::pow::main()
}
