//! `auditmill timeline`
use super::Outcome;
use super::args::TimelineArgs;
pub fn run(_: TimelineArgs) -> Outcome {
    Ok(crate::exit::ExitStatus::Done)
}
