//! See `compute --help`, and `aliquot::compute`.

fn main() -> std::process::ExitCode {
    aliquot::compute::main()
}
