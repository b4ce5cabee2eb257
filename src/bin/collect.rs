//! See `collect --help`, and `aliquot::collect`.

fn main() -> std::process::ExitCode {
    aliquot::collect::main()
}
