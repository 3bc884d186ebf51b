//! `provenance advisories snapshot DIR`: write the facts-only snapshot that ships inside the program.

use anyhow::Context as _;
use schema::Timestamp;

use crate::Exit;
use crate::args::SnapshotArgs;
use crate::text::{complain, say, shown};

pub(super) fn run(args: &SnapshotArgs) -> anyhow::Result<Exit> {
    let SnapshotArgs { checkout, commit, date } = args;
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
