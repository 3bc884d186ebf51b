//! Repository links as people write them, turned into one clone address per repository (design 04, step 3). No network.

use url::Url;

/// A clone address with what the written link said beyond it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NormalisedUrl {
    /// The clone address: scheme, host, path; no credentials, query, fragment, `.git` or trailing slash.
    pub url: String,
    /// The host, lower case.
    pub host: String,
    /// The path without its leading slash, as written: `owner/repo`, `group/sub/repo`, `~user/repo`.
    pub path: String,
    /// What the link says after the forge's own marker: `{ref}/{path}` in one piece, for a ref may hold slashes.
    pub hint: Option<String>,
    /// Whether the link was plain http.
    pub was_http: bool,
}

/// Why a link leads to no repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRepository {
    /// No address at all.
    Unparseable,
    /// An address of a page, a site or another kind of thing.
    Unsupported,
    /// Another version control system.
    NotGit,
}

impl NormalisedUrl {
    /// The key of the cache: owner and repository folded, for forges do not tell cases apart.
    #[must_use]
    pub fn key(&self) -> String {
        self.url.to_lowercase()
    }

    /// The repository's own name, the last component of its path.
    #[must_use]
    pub fn repository_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Settles which part of the hint is a ref and which a folder: the longest ref that exists wins.
    #[must_use]
    pub fn folder_hint(&self, is_ref: &dyn Fn(&str) -> bool) -> Option<String> {
        let hint = self.hint.as_deref()?;
        let cuts: Vec<usize> = hint.match_indices('/').map(|(at, _)| at).collect();
        let longest = cuts.iter().rev().find(|at| is_ref(&hint[..**at])).or_else(|| cuts.first());
        let folder = longest.map_or("", |at| &hint[at + 1..]).trim_matches('/');
        (!folder.is_empty() && !is_ref(hint)).then(|| folder.to_owned())
    }
}

/// What a host is known to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forge {
    Github,
    Gist,
    Gitlab,
    Gitea,
    Bitbucket,
    Sourcehut,
    Googlesource,
    Unknown,
}

/// Reads a link.
///
/// # Errors
/// When it leads to no git repository by its shape alone.
pub fn normalise(text: &str) -> Result<NormalisedUrl, NoRepository> {
    let found = read(text)?;
    // What is stored is read again one day: an address that does not lead to itself is none.
    let is_itself = read(&found.url).is_ok_and(|again| again.url == found.url);
    if is_itself { Ok(found) } else { Err(NoRepository::Unparseable) }
}

fn read(text: &str) -> Result<NormalisedUrl, NoRepository> {
    let text = cleaned(text);
    if text.starts_with("hg+") || text.starts_with("svn+") || text.starts_with("bzr+") {
        return Err(NoRepository::NotGit);
    }
    let text = with_scheme(&text).ok_or(NoRepository::Unparseable)?;
    let (scheme, rest) = text.split_once("://").ok_or(NoRepository::Unparseable)?;
    let scheme = scheme.to_ascii_lowercase();
    if !["https", "http", "git", "ssh"].contains(&scheme.as_str()) {
        return Err(NoRepository::Unsupported);
    }
    // A host means the same in each of them only when it is read as one of the web.
    let read_as = if scheme == "http" { "http" } else { "https" };
    let parsed = Url::parse(&format!("{read_as}://{rest}")).map_err(|_| NoRepository::Unparseable)?;
    let was_http = scheme == "http" || scheme == "git";
    let host = parsed.host_str().ok_or(NoRepository::Unparseable)?.trim_end_matches('.').to_lowercase();
    // The forges serve both; elsewhere the two may be different sites.
    let plain = host.trim_start_matches("www.");
    let host = if forge_of(plain)? == Forge::Unknown { host.clone() } else { plain.to_owned() };
    if host.is_empty() {
        return Err(NoRepository::Unparseable);
    }
    let forge = forge_of(&host)?;
    let port = parsed.port().filter(|_| scheme != "ssh" && scheme != "git");
    let decoded = parsed.path().replace("%7E", "~").replace("%7e", "~");
    let parts: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
    let (path, hint) = split(forge, &parts)?;
    let scheme = if scheme == "http" && forge == Forge::Unknown { "http" } else { "https" };
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    Ok(NormalisedUrl { url: format!("{scheme}://{host}{port}/{path}"), host, path, hint, was_http })
}

/// A link that may be a repository by its shape: known forges only (for `homepage` and `documentation`).
#[must_use]
pub fn forge_shaped(text: &str) -> Option<NormalisedUrl> {
    normalise(text).ok().filter(|found| forge_of(&found.host).is_ok_and(|forge| forge != Forge::Unknown))
}

/// White space, quotes, `git+`, `scm:git:` and trailing dots off.
fn cleaned(text: &str) -> String {
    let mut text = text.trim().trim_matches(|c: char| "\"'<>`".contains(c)).trim();
    for prefix in ["scm:git:", "scm:", "git+"] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text.trim_end_matches(['.', ',']).to_owned()
}

/// `git@host:o/r`, `host/o/r` and `user@host:o/r` become addresses with a scheme.
fn with_scheme(text: &str) -> Option<String> {
    if text.is_empty() || text.contains(char::is_whitespace) || text.contains(char::is_control) {
        return None;
    }
    if text.contains("://") {
        return Some(text.to_owned());
    }
    let (host, path) = match text.split_once(':') {
        Some((host, path)) if !host.contains('/') && !path.starts_with(|c: char| c.is_ascii_digit()) => (host, path),
        _ => text.split_once('/')?,
    };
    let host = host.rsplit('@').next()?;
    let named = host.contains('.') && !host.starts_with('.') && !path.is_empty();
    named.then(|| format!("ssh://{host}/{}", path.trim_start_matches('/')))
}

pub(crate) fn forge_of(host: &str) -> Result<Forge, NoRepository> {
    let ends = |suffix: &str| host.ends_with(suffix);
    Ok(match host {
        "github.com" => Forge::Github,
        "gist.github.com" => Forge::Gist,
        "bitbucket.org" => Forge::Bitbucket,
        "codeberg.org" | "gitea.com" | "notabug.org" | "git.disroot.org" => Forge::Gitea,
        "gitlab.com" | "framagit.org" | "salsa.debian.org" | "invent.kde.org" => Forge::Gitlab,
        "git.sr.ht" => Forge::Sourcehut,
        "sr.ht" => return Err(NoRepository::Unsupported),
        "hg.sr.ht" | "foss.heptapod.net" | "hg.mozilla.org" => return Err(NoRepository::NotGit),
        "crates.io"
        | "docs.rs"
        | "lib.rs"
        | "docs.github.com"
        | "raw.githubusercontent.com"
        | "npmjs.com"
        | "pypi.org" => {
            return Err(NoRepository::Unsupported);
        }
        _ if ends(".github.io") || ends(".gitlab.io") || ends(".codeberg.page") || ends(".crates.io") => {
            return Err(NoRepository::Unsupported);
        }
        _ if ends(".googlesource.com") => Forge::Googlesource,
        _ if host.starts_with("gitlab.") => Forge::Gitlab,
        _ if ["gitea.", "forgejo.", "codeberg."].iter().any(|prefix| host.starts_with(prefix)) => Forge::Gitea,
        _ => Forge::Unknown,
    })
}

/// The repository's path, and what follows the forge's marker.
fn split(forge: Forge, parts: &[&str]) -> Result<(String, Option<String>), NoRepository> {
    let marker = |wanted: &[&str]| parts.iter().position(|part| wanted.contains(part));
    let hint = |from: usize| parts.get(from..).filter(|rest| !rest.is_empty()).map(|rest| rest.join("/"));
    let (length, hint) = match forge {
        Forge::Github | Forge::Bitbucket => {
            let known = matches!(parts.get(2), Some(&("tree" | "blob" | "src")));
            (2, hint(3).filter(|_| known))
        }
        Forge::Gist => (parts.len().min(2), None),
        Forge::Gitlab => match marker(&["-"]) {
            Some(at) => {
                let known = matches!(parts.get(at + 1), Some(&("tree" | "blob")));
                (at, hint(at + 2).filter(|_| known))
            }
            None => match parts.iter().skip(2).position(|part| ["tree", "blob"].contains(part)) {
                Some(at) => (at + 2, hint(at + 3)),
                None => (parts.len(), None),
            },
        },
        Forge::Gitea => {
            let known = parts.get(2) == Some(&"src") && matches!(parts.get(3), Some(&("branch" | "tag" | "commit")));
            (2, hint(4).filter(|_| known))
        }
        Forge::Sourcehut => {
            if !parts.first().is_some_and(|user| user.starts_with('~')) {
                return Err(NoRepository::Unsupported);
            }
            let known = matches!(parts.get(2), Some(&("tree" | "log")));
            (2, hint(3).filter(|_| known).map(|hint| hint.replacen("/item/", "/", 1)))
        }
        Forge::Googlesource => match marker(&["+"]) {
            Some(at) => (at, hint(at + 1)),
            None => (parts.len(), None),
        },
        Forge::Unknown => match marker(&["-", "+"]) {
            Some(at) => (at, None),
            None => match parts.iter().position(|part| part.strip_suffix(".git").is_some()) {
                Some(at) => (at + 1, None),
                None => (parts.len(), None),
            },
        },
    };
    let at_least = if matches!(forge, Forge::Gist | Forge::Googlesource | Forge::Unknown) { 1 } else { 2 };
    if parts.len() < at_least || length < at_least {
        return Err(NoRepository::Unsupported);
    }
    let mut path: Vec<&str> = parts[..length.min(parts.len())].to_vec();
    if let Some(last) = path.last_mut() {
        *last = plain_name(last);
    }
    if path.iter().any(|part| part.is_empty() || *part == "..") {
        return Err(NoRepository::Unparseable);
    }
    Ok((path.join("/"), hint))
}

/// `.git`, and what stands behind an address in a sentence, off, in any order.
fn plain_name(name: &str) -> &str {
    let plain = name.trim_end_matches(".git").trim_end_matches(['.', ',', '\'']);
    if plain == name { name } else { plain_name(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_leads_to_one_address() {
        let github = "https://github.com/Owner/Repo";
        for (text, expected, hint) in [
            ("https://github.com/Owner/Repo", github, None),
            ("  https://github.com/Owner/Repo/  ", github, None),
            ("\"https://github.com/Owner/Repo.git\"", github, None),
            ("https://github.com/Owner/Repo.", github, None),
            ("http://www.GitHub.com/Owner/Repo", github, None),
            ("https://user:token@github.com/Owner/Repo?tab=readme#top", github, None),
            ("git+https://github.com/Owner/Repo.git", github, None),
            ("scm:git:git://github.com/Owner/Repo.git", github, None),
            ("git://github.com/Owner/Repo", github, None),
            ("git@github.com:Owner/Repo.git", github, None),
            ("ssh://git@github.com/Owner/Repo.git", github, None),
            ("ssh://git@github.com:22/Owner/Repo.git", github, None),
            ("github.com/Owner/Repo", github, None),
            ("https://github.com/Owner/Repo/tree/main/crates/a", github, Some("main/crates/a")),
            ("https://github.com/Owner/Repo/blob/main/README.md", github, Some("main/README.md")),
            ("https://github.com/Owner/Repo/issues", github, None),
            ("https://gist.github.com/someone/0123abcd", "https://gist.github.com/someone/0123abcd", None),
            ("https://gitlab.com/g/sub/deep/r/-/tree/main/x", "https://gitlab.com/g/sub/deep/r", Some("main/x")),
            ("https://gitlab.com/g/r/tree/main/x", "https://gitlab.com/g/r", Some("main/x")),
            ("https://gitlab.gnome.org/World/r.git", "https://gitlab.gnome.org/World/r", None),
            ("https://codeberg.org/o/r/src/branch/main/x/y", "https://codeberg.org/o/r", Some("main/x/y")),
            ("https://codeberg.org/o/r/src/tag/v1/x", "https://codeberg.org/o/r", Some("v1/x")),
            ("https://bitbucket.org/o/r/src/master/x/", "https://bitbucket.org/o/r", Some("master/x")),
            ("https://git.sr.ht/~user/r", "https://git.sr.ht/~user/r", None),
            ("https://git.sr.ht/%7Euser/r", "https://git.sr.ht/~user/r", None),
            ("https://git.sr.ht/~user/r/tree/master/item/x", "https://git.sr.ht/~user/r", Some("master/x")),
            (
                "https://chromium.googlesource.com/a/b/+/refs/heads/main/x",
                "https://chromium.googlesource.com/a/b",
                Some("refs/heads/main/x"),
            ),
            ("https://git.example.org/deep/er/r.git/", "https://git.example.org/deep/er/r", None),
            ("https://example.org/git/r", "https://example.org/git/r", None),
            ("https://www.example.org/git/r", "https://www.example.org/git/r", None),
            ("https://www.www.github.com/Owner/Repo", github, None),
            ("https://github.com/Owner/Repo.git'.git,/tree/main", github, Some("main")),
            ("ssh://git@%2e%2e.example.org/r", "https://...example.org/r", None),
            ("http://git.example.org:8080/r", "http://git.example.org:8080/r", None),
        ] {
            let found = normalise(text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
            assert_eq!((found.url.as_str(), found.hint.as_deref()), (expected, hint), "{text}");
        }
    }

    #[test]
    fn what_is_no_git_repository_is_told_apart() {
        for (text, expected) in [
            ("", NoRepository::Unparseable),
            ("not a url", NoRepository::Unparseable),
            ("repo", NoRepository::Unparseable),
            ("https://", NoRepository::Unparseable),
            ("https://./owner/repo", NoRepository::Unparseable),
            ("https://host.test/+'//", NoRepository::Unparseable),
            ("https://github.com/owner", NoRepository::Unsupported),
            ("https://owner.github.io/repo", NoRepository::Unsupported),
            ("https://docs.rs/a", NoRepository::Unsupported),
            ("https://crates.io/crates/a", NoRepository::Unsupported),
            ("https://sr.ht/~u/r", NoRepository::Unsupported),
            ("https://hg.sr.ht/~u/r", NoRepository::NotGit),
            ("hg+https://example.org/r", NoRepository::NotGit),
            ("file:///etc/passwd", NoRepository::Unsupported),
            ("ftp://example.org/r", NoRepository::Unsupported),
        ] {
            assert_eq!(normalise(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn the_longest_ref_that_exists_settles_a_hint() {
        let found = normalise("https://github.com/o/r/tree/feature/x/crates/y").unwrap();
        assert_eq!(found.folder_hint(&|name| name == "feature/x").as_deref(), Some("crates/y"));
        assert_eq!(found.folder_hint(&|name| name == "feature").as_deref(), Some("x/crates/y"));
        assert_eq!(found.folder_hint(&|_| false).as_deref(), Some("x/crates/y"));
        assert_eq!(normalise("https://github.com/o/r/tree/main").unwrap().folder_hint(&|_| true), None);
    }
}
