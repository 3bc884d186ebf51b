//! Git's smart protocol over HTTP: one GET for the refs, one POST per round of negotiation. Packs are libgit2's.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use git2::{Error, ErrorClass, ErrorCode};
use net::{BlockingAnswer, Exchange, Get, NetError, Url};

use crate::GitError;
use crate::session::Session;

const INFO_REFS: &str = "/info/refs";
const UPLOAD_PACK: &str = "git-upload-pack";

/// What libgit2 asks for connections.
pub(crate) struct Subtransport(pub(crate) Arc<Session>);

impl SmartSubtransport for Subtransport {
    fn action(&self, url: &str, action: Service) -> Result<Box<dyn SmartSubtransportStream>, Error> {
        let what = match action {
            Service::UploadPackLs => What::Refs,
            Service::UploadPack => What::Pack,
            Service::ReceivePackLs | Service::ReceivePack => {
                return Err(Error::new(ErrorCode::Invalid, ErrorClass::Net, "nothing is ever pushed"));
            }
        };
        let session = Arc::clone(&self.0);
        Ok(Box::new(Stream { session, url: url.to_owned(), what, request: Vec::new(), answer: None }))
    }

    fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Refs,
    Pack,
}

/// What libgit2 reads.
enum Body {
    /// The list of refs, read at once and put right.
    Refs(Cursor<Vec<u8>>),
    /// A pack, as it comes.
    Pack(Box<BlockingAnswer>),
}

/// One exchange: libgit2 writes the request, and the first read sends it.
struct Stream {
    session: Arc<Session>,
    url: String,
    what: What,
    request: Vec<u8>,
    answer: Option<Body>,
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            let answer = self.begin().map_err(|error| self.session.fail(error))?;
            self.answer = Some(answer);
        }
        match &mut self.answer {
            Some(Body::Refs(refs)) => refs.read(buffer),
            Some(Body::Pack(answer)) => read(&self.session, answer, buffer).map_err(|error| self.session.fail(error)),
            None => Ok(0),
        }
    }
}

impl Stream {
    fn begin(&mut self) -> Result<Body, GitError> {
        let mut answer = self.send()?;
        if self.what == What::Pack {
            return Ok(Body::Pack(Box::new(answer)));
        }
        let mut refs = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match read(&self.session, &mut answer, &mut buffer)? {
                0 => return Ok(Body::Refs(Cursor::new(readable_refs(&refs)))),
                n => refs.extend_from_slice(&buffer[..n]),
            }
        }
    }

    fn send(&mut self) -> Result<BlockingAnswer, GitError> {
        let request = std::mem::take(&mut self.request);
        let exchange = match self.what {
            What::Refs => self.exchange(&format!("{INFO_REFS}?service={UPLOAD_PACK}"), None)?,
            What::Pack => self.exchange(&format!("/{UPLOAD_PACK}"), Some(request))?,
        };
        let session = &self.session;
        let asked = exchange.url.clone();
        let answer = session.agent.exchange(exchange).map_err(|error| session.of_net(error))?;
        check_status(&answer)?;
        let kind = match self.what {
            What::Refs => "application/x-git-upload-pack-advertisement",
            What::Pack => "application/x-git-upload-pack-result",
        };
        let found = answer.header("content-type").unwrap_or("no content type");
        if found != kind {
            return Err(not_git(answer.url(), format!("it sends {found:?}")));
        }
        if self.what == What::Refs {
            session.set_base(base_of(&asked, answer.url())?);
        }
        Ok(answer)
    }

    fn exchange(&self, path: &str, body: Option<Vec<u8>>) -> Result<Exchange, GitError> {
        let options = &self.session.options;
        let base = self.session.base().map_or_else(|| self.url.clone(), String::from);
        let Ok(url) = Url::parse(&format!("{}{path}", base.trim_end_matches('/'))) else {
            return Err(GitError::Refused { url: base, reason: "it is no URL" });
        };
        let mut max_bytes = options.max_bytes.saturating_sub(self.session.received());
        let mut headers = vec![
            // Some servers answer other programs with a page for people.
            ("user-agent", format!("git/2.0 ({})", self.session.agent.agent().user_agent())),
            ("pragma", "no-cache".to_owned()),
        ];
        if body.is_some() {
            headers.push(("content-type", format!("application/x-{UPLOAD_PACK}-request")));
            headers.push(("accept", format!("application/x-{UPLOAD_PACK}-result")));
        } else {
            max_bytes = max_bytes.min(options.max_ref_bytes);
        }
        let get = Get { headers, max_bytes, addresses: options.addresses, ..Get::new(url) };
        let total_timeout = Some(self.session.left());
        Ok(Exchange { body: body.map(Into::into), total_timeout, ..Exchange::from(get) })
    }
}

/// Reads from the network, within the operation's time and bytes.
fn read(session: &Session, answer: &mut BlockingAnswer, buffer: &mut [u8]) -> Result<usize, GitError> {
    if session.left().is_zero() {
        return Err(GitError::TimedOut { limit: session.options.total_timeout });
    }
    let n = answer.read(buffer).map_err(|error| of_io(session, error))?;
    session.count(n)?;
    Ok(n)
}

/// A list of refs without the lines that are no UTF-8, on which git2 would panic.
///
/// Each line begins with its length in four hex digits; `0000` stands alone (git's "pkt-line Format"). What is no such
/// line is left to libgit2, which refuses it.
fn readable_refs(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(length) = line_length(rest)
        && let Some((line, after)) = rest.split_at_checked(length)
    {
        if std::str::from_utf8(line).is_ok() {
            kept.extend_from_slice(line);
        }
        rest = after;
    }
    kept.extend_from_slice(rest);
    kept
}

fn line_length(bytes: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
    Some(usize::from_str_radix(digits, 16).ok()?.max(4))
}

fn check_status(answer: &BlockingAnswer) -> Result<(), GitError> {
    let url = shown(answer.url());
    match answer.status() {
        200 => Ok(()),
        status @ (401 | 403) => Err(GitError::AuthRequired { url, status }),
        status @ (404 | 410 | 451) => Err(GitError::Gone { url, status }),
        status => Err(not_git(answer.url(), format!("it answers {status}"))),
    }
}

/// The repository's URL behind an answer for its refs, which may have come by redirects.
fn base_of(asked: &Url, answered: &Url) -> Result<Url, GitError> {
    let Some(path) = answered.path().strip_suffix(INFO_REFS) else {
        return Err(not_git(asked, "it redirects elsewhere".to_owned()));
    };
    let mut base = answered.clone();
    base.set_path(path);
    base.set_query(None);
    base.set_fragment(None);
    Ok(base)
}

fn of_io(session: &Session, error: io::Error) -> GitError {
    match error.downcast::<NetError>() {
        Ok(error) => session.of_net(error),
        Err(error) => GitError::Net(NetError::Setup { source: error.into() }),
    }
}

fn not_git(url: &Url, reason: String) -> GitError {
    GitError::NotGit { url: shown(url), reason }
}

fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_text_are_dropped_and_broken_ones_kept() {
        assert_eq!(readable_refs(b"0006ab0006\xff\xfe00000005c"), b"0006ab00000005c");
        for broken in [&b""[..], b"00", b"zzzz", b"0009ab"] {
            assert_eq!(readable_refs(broken), broken);
        }
    }
}
