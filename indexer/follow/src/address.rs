//! Where an index is: `--index sparse | sparse+URL | git+URL | DIR`. Names no host; the registry's own address is cargo's.

use std::fmt;
use std::path::{Path, PathBuf};

use tame_index::{CRATES_IO_HTTP_INDEX, IndexUrl};
use url::Url;

use crate::FollowError;

/// The first cargo that reads the sparse index unless told otherwise; handing it in keeps cargo from being run.
const CARGO_VERSION: &str = "1.70.0";

/// Where an index is, and therefore how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexAddress {
    /// One file per crate over HTTP.
    Sparse(Url),
    /// A git repository elsewhere, to be cloned into the data directory.
    Git(Url),
    /// A git repository on this machine, opened in place.
    Repository(PathBuf),
    /// The plain layout on this machine.
    Directory(PathBuf),
}

/// Where cargo's configuration is looked for.
#[derive(Clone, Debug, Default)]
pub struct CargoSettings {
    /// The folder whose `.cargo/config.toml`, and its parents', count; the current folder when `None`.
    pub config_root: Option<PathBuf>,
    /// Cargo's home; cargo's own rule when `None`.
    pub cargo_home: Option<PathBuf>,
}

impl IndexAddress {
    /// Reads the value of `--index`.
    ///
    /// `sparse` alone means the registry as cargo resolves it: source replacement in cargo's configuration counts, and may
    /// lead to a mirror, a git index or a local registry.
    ///
    /// # Errors
    /// When the text is no address, names a folder that is not there, or cargo's configuration cannot be read.
    pub fn parse(text: &str, settings: &CargoSettings) -> Result<Self, FollowError> {
        if text == "sparse" {
            return resolve_registry(settings);
        }
        if let Some(url) = text.strip_prefix("sparse+") {
            return web_url(text, url).map(|url| Self::Sparse(with_slash(url)));
        }
        if let Some(url) = text.strip_prefix("git+") {
            return git_address(text, url);
        }
        directory(text, Path::new(text))
    }
}

impl fmt::Display for IndexAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sparse(url) => write!(f, "sparse+{url}"),
            Self::Git(url) => write!(f, "git+{url}"),
            Self::Repository(path) | Self::Directory(path) => path.display().fmt(f),
        }
    }
}

fn resolve_registry(settings: &CargoSettings) -> Result<IndexAddress, FollowError> {
    let root = settings.config_root.as_deref().map(utf8).transpose()?.map(tame_index::Path::to_path_buf);
    let home = settings.cargo_home.as_deref().map(utf8).transpose()?;
    let resolved = IndexUrl::crates_io(root, home, Some(CARGO_VERSION)).map_err(FollowError::CargoConfig)?;
    match resolved {
        // A configured git protocol is overruled: `sparse` was asked for by name.
        IndexUrl::CratesIoSparse | IndexUrl::CratesIoGit => IndexAddress::parse(CRATES_IO_HTTP_INDEX, settings),
        IndexUrl::NonCratesIo(url) if url.starts_with("sparse+") => IndexAddress::parse(&url, settings),
        IndexUrl::NonCratesIo(url) => git_address(&url, &url),
        // A local registry keeps its index beside its archives.
        IndexUrl::Local(registry) => directory(registry.as_str(), registry.join("index").as_std_path()),
    }
}

/// tame-index speaks of UTF-8 paths only.
fn utf8(path: &Path) -> Result<&tame_index::Path, FollowError> {
    tame_index::Path::from_path(path)
        .ok_or_else(|| bad(&path.display().to_string(), "cargo's folders must have UTF-8 paths"))
}

fn git_address(text: &str, url: &str) -> Result<IndexAddress, FollowError> {
    let url = Url::parse(url).map_err(|error| bad(text, &error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(IndexAddress::Git(url)),
        // libgit2 cannot shallow-fetch `file://`, and need not: the repository is here already.
        "file" => match url.to_file_path() {
            Ok(path) => directory(text, &path),
            Err(()) => Err(bad(text, "no path on this machine")),
        },
        scheme => Err(bad(text, &format!("git over {scheme} is not supported; use https, http or a folder"))),
    }
}

fn web_url(text: &str, url: &str) -> Result<Url, FollowError> {
    let url = Url::parse(url).map_err(|error| bad(text, &error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(bad(text, &format!("a sparse index speaks http or https, not {scheme}"))),
    }
}

/// A source is known by its address: one folder must not be several sources, however it is named.
fn one_spelling(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Without the last slash, joining a path would replace the last part of the address.
fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

fn directory(text: &str, path: &Path) -> Result<IndexAddress, FollowError> {
    if !path.is_dir() {
        let reason =
            if text.contains("://") { "write sparse+ or git+ before an address" } else { "there is no such folder" };
        return Err(bad(text, reason));
    }
    let bare = path.join("objects").is_dir() && path.join("HEAD").is_file();
    // A linked work tree or a submodule has a `.git` file instead of a folder.
    if bare || path.join(".git").exists() {
        Ok(IndexAddress::Repository(one_spelling(path)))
    } else {
        Ok(IndexAddress::Directory(one_spelling(path)))
    }
}

fn bad(text: &str, reason: &str) -> FollowError {
    FollowError::BadAddress { text: text.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that stands for both cargo's home and the project, with this configuration.
    fn cargo(config: &str) -> (tempfile::TempDir, CargoSettings) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".cargo")).unwrap();
        std::fs::write(folder.path().join(".cargo/config.toml"), config).unwrap();
        let root = folder.path().to_owned();
        let settings = CargoSettings { config_root: Some(root.clone()), cargo_home: Some(root.join("home")) };
        (folder, settings)
    }

    fn parse(text: &str) -> Result<IndexAddress, FollowError> {
        IndexAddress::parse(text, &CargoSettings::default())
    }

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("sparse+http://localhost:1/idx", "sparse+http://localhost:1/idx/"),
            ("sparse+https://localhost/", "sparse+https://localhost/"),
            ("git+https://localhost/a/b.git", "git+https://localhost/a/b.git"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_hint() {
        for (text, hint) in [
            ("https://localhost/", "sparse+"),
            ("/nowhere/at/all", "no such folder"),
            ("sparse+ftp://localhost/", "ftp"),
            ("git+ssh://localhost/x", "ssh"),
            ("sparse+nonsense", "relative URL"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(hint) && error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_folder_is_a_repository_or_a_plain_layout() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let text = path.to_str().unwrap().to_owned();
        assert_eq!(parse(&text).unwrap(), IndexAddress::Directory(path.clone()));
        git2::Repository::init(&path).unwrap();
        assert_eq!(parse(&text).unwrap(), IndexAddress::Repository(path.clone()));
        assert_eq!(parse(&format!("git+file://{text}")).unwrap(), IndexAddress::Repository(path.clone()));
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let other_spelling = format!("{text}/../{name}/./");
        assert_eq!(parse(&other_spelling).unwrap().to_string(), parse(&text).unwrap().to_string(), "one source");
        git2::Repository::init_bare(path.join("bare")).unwrap();
        assert_eq!(parse(&format!("{text}/bare")).unwrap(), IndexAddress::Repository(path.join("bare")));
    }

    #[test]
    fn cargo_says_where_the_registry_is() {
        let (_folder, settings) = cargo("");
        let own = IndexAddress::parse("sparse", &settings).unwrap().to_string();
        assert_eq!(own, CRATES_IO_HTTP_INDEX);

        let (_folder, settings) = cargo(
            "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\nregistry = \"sparse+http://localhost:9/m/\"\n",
        );
        let mirror = IndexAddress::parse("sparse", &settings).unwrap().to_string();
        assert_eq!(mirror, "sparse+http://localhost:9/m/");

        let (folder, settings) =
            cargo("[source.crates-io]\nreplace-with = \"here\"\n[source.here]\nlocal-registry = \"registry\"\n");
        std::fs::create_dir_all(folder.path().join("registry/index")).unwrap();
        let local = IndexAddress::parse("sparse", &settings).unwrap();
        assert_eq!(local, IndexAddress::Directory(folder.path().join("registry/index")));
    }
}
