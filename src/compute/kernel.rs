//! Which kernel a compute uses: the fastest of this processor that proves itself.

use slog::{Logger, error};

use crate::common::error::{Error, Result};
use crate::common::exit::Status;
use crate::divisors::Kernel;

/// Reads the name of a kernel of this processor.
///
/// # Errors
/// What names there are.
pub fn parse(name: &str) -> std::result::Result<Kernel, String> {
    let all = Kernel::all();
    let fault = || {
        let names: Vec<_> = all.iter().map(|kernel| kernel.name()).collect();
        format!("this processor has: {}", names.join(", "))
    };
    all.iter().find(|kernel| kernel.name() == name).copied().ok_or_else(fault)
}

/// The kernel to use: the one that is `forced`, else the fastest. One that fails its test is logged and not used.
///
/// # Errors
/// Failed, if no kernel is left.
pub fn choose(forced: Option<Kernel>, log: &Logger) -> Result<Kernel> {
    let mut random = fastrand::Rng::new();
    let candidates = forced.map_or_else(Kernel::all, |kernel| vec![kernel]);
    let (sound, faults) = fastest_sound(candidates, |kernel| kernel.self_test(&mut random));
    for fault in faults {
        error!(log, "{fault}");
    }
    sound.ok_or_else(|| Error::new(Status::Failed, "kernel", "none computes rightly on this processor"))
}

/// The last of `candidates` that passes the test, and what is to be said of those that were tried before.
fn fastest_sound(
    candidates: Vec<Kernel>,
    mut test: impl FnMut(Kernel) -> std::result::Result<(), String>,
) -> (Option<Kernel>, Vec<String>) {
    let mut faults = Vec::new();
    let sound = candidates.into_iter().rev().find(|kernel| match test(*kernel) {
        Ok(()) => true,
        Err(fault) => {
            faults.push(format!("kernel {}: it computes wrongly and is not used: {fault}", kernel.name()));
            false
        }
    });
    (sound, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_computes_wrongly_is_not_used() {
        let (all, fastest) = (Kernel::all(), Kernel::best());
        let slower = all.iter().rev().nth(1).copied();
        assert_eq!(fastest_sound(all.clone(), |_| Ok(())), (Some(fastest), vec![]));
        let wrong = |kernel: Kernel| if kernel == fastest { Err("1 is not 2".to_owned()) } else { Ok(()) };
        let fault = format!("kernel {}: it computes wrongly and is not used: 1 is not 2", fastest.name());
        assert_eq!(fastest_sound(all, wrong), (slower, vec![fault.clone()]));
        assert_eq!(fastest_sound(vec![fastest], wrong), (None, vec![fault]));
    }

    #[test]
    fn names_are_those_of_this_processor() {
        for kernel in Kernel::all() {
            assert_eq!(parse(kernel.name()), Ok(kernel));
        }
        assert!(parse("abacus").unwrap_err().starts_with("this processor has: portable"));
    }
}
