//! See `loot --help`, and `aliquot::loot`.

fn main() -> std::process::ExitCode {
    aliquot::loot::main()
}
