//! `provenance advisories snapshot DIR`: write the facts-only snapshot that ships inside the program.

use anyhow::Context as _;
use schema::Timestamp;

use crate::Exit;
use crate::args::AdvisoriesCommand;
use crate::text::{complain, say, shown};

pub(crate) fn run(command: &AdvisoriesCommand) -> anyhow::Result<Exit> {
    let AdvisoriesCommand::Snapshot { checkout, commit, date } = command;
    let at = date.as_deref().map(Timestamp::parse).transpose()?;
    let origin = advisories::Origin { address: "rustsec/advisory-db".to_owned(), commit: commit.clone(), at };
    let written = advisories::write_snapshot(checkout, &origin)
        .with_context(|| format!("write a snapshot of {}", checkout.display()))?;
    say(written.text.trim_end());
    complain(&format!("{} advisories", written.n_advisories));
    for bad in &written.quarantined {
        complain(&format!("left out: {}: {}", shown(&bad.path), shown(&bad.reason)));
    }
    Ok(Exit::Done)
}
