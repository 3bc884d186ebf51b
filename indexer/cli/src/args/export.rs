//! The arguments of what writes answers for others: `export` and `attest`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct ExportArgs {
    /// A folder or a bucket
    #[arg(value_name = "DIR|s3://BUCKET/PREFIX")]
    pub(crate) place: String,
    /// The badges of every version as well, not only each crate's
    #[arg(long)]
    pub(crate) version_badges: bool,
    /// Write everything anew
    #[arg(long)]
    pub(crate) anew: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AttestArgs {
    /// The releases of a crate, or one release
    #[arg(value_name = "NAME[@VER]", required_unless_present_any = ["all", "verify"], conflicts_with_all = ["all", "verify"])]
    pub(crate) subject: Option<String>,
    /// Every release there is
    #[arg(long, conflicts_with = "verify")]
    pub(crate) all: bool,
    // A doc comment would want backticks around the variable, and a terminal shows them.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "verify",
        help = "Sign with this Ed25519 key in PKCS#8 PEM [default: the PEM in PROVENANCE_ATTEST_KEY; without either the \
                statements are unsigned and say so]"
    )]
    pub(crate) key: Option<PathBuf>,
    /// Who answers for the results, a URI
    #[arg(long, value_name = "URI", default_value = "urn:provenance:verifier", conflicts_with = "verify")]
    pub(crate) verifier: String,
    /// Check statements instead, from a file or from standard input (-); exit 1 when one is not signed by the key
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", requires = "public_key")]
    pub(crate) verify: Option<PathBuf>,
    /// The key that must have signed: an Ed25519 public key in PEM
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub(crate) public_key: Option<PathBuf>,
}
