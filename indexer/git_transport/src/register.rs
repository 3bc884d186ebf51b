//! Tells libgit2, once per process, to use our transport and to leave the machine's configuration alone.

use std::sync::OnceLock;

use git2::transport::{self, Transport};
use git2::{ConfigLevel, Error, ErrorClass, ErrorCode, opts};

use crate::session;
use crate::stream::Subtransport;

static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();

/// Prepares libgit2. Best called at the start of the program; every operation makes sure of it.
pub fn init() {
    REGISTERED.get_or_init(|| register().map_err(|error| error.to_string()));
}

/// As [`init`], and says whether it worked.
pub(crate) fn ensure() -> Result<(), Error> {
    init();
    match REGISTERED.get() {
        Some(Err(text)) => Err(Error::new(ErrorCode::GenericError, ErrorClass::Config, text)),
        _ => Ok(()),
    }
}

#[expect(unsafe_code, reason = "libgit2's global settings have no safe interface; `OnceLock` runs this once, alone")]
fn register() -> Result<(), Error> {
    // SAFETY: these calls change global state of libgit2 and must not run beside other uses of it. `OnceLock` keeps
    // them apart from one another, and every operation of this room waits for them. The factory captures nothing.
    unsafe {
        for level in [ConfigLevel::ProgramData, ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global] {
            opts::set_search_path(level, "")?;
        }
        // Who owns a repository matters to programs that run what its configuration says. Nothing here is run.
        opts::set_verify_owner_validation(false)?;
        for scheme in ["http", "https"] {
            transport::register(scheme, |remote| match session::current() {
                Some(session) => Transport::smart(remote, true, Subtransport(session)),
                None => {
                    Err(Error::new(ErrorCode::Invalid, ErrorClass::Net, "no operation of git_transport is running"))
                }
            })?;
        }
    }
    Ok(())
}
