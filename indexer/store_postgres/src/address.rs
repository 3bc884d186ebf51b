//! Addresses of databases as they may be shown: never with a password.

/// Whether an address names a PostgreSQL server.
#[must_use]
pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// The address without its password and without the parameters that may hold one.
#[must_use]
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "postgres://…".to_owned() };
    let (rest, parameters) = match rest.split_once('?') {
        Some((rest, parameters)) => (rest, shown_parameters(parameters)),
        None => (rest, String::new()),
    };
    let Some((user, place)) = rest.rsplit_once('@') else { return format!("{scheme}://{rest}{parameters}") };
    let user = user.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}@{place}{parameters}")
}

/// Where a server is may stand in the parameters (a socket's folder); who may enter does not belong into an answer.
fn shown_parameters(parameters: &str) -> String {
    let shown: Vec<_> = parameters
        .split('&')
        .filter(|parameter| {
            matches!(parameter.split('=').next(), Some("host" | "port" | "dbname" | "sslmode" | "user"))
        })
        .collect();
    if shown.is_empty() { String::new() } else { format!("?{}", shown.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::{is_postgres, without_password};

    #[test]
    fn a_password_is_never_shown() {
        let cases = [
            ("postgres://root@127.0.0.1/db", "postgres://root@127.0.0.1/db"),
            ("postgres://127.0.0.1:5433/db", "postgres://127.0.0.1:5433/db"),
            ("postgres://me:secret@host/db", "postgres://me@host/db"),
            ("postgres://me:sec@ret@host/db?sslmode=require", "postgres://me@host/db?sslmode=require"),
            ("postgresql://me:s:e@host/db?password=secret", "postgresql://me@host/db"),
            ("postgres:///db?host=/run/postgres&password=secret", "postgres:///db?host=/run/postgres"),
            ("me:secret", "postgres://…"),
        ];
        for (url, shown) in cases {
            assert_eq!(without_password(url), shown);
        }
        assert!(is_postgres("postgres://a") && is_postgres("postgresql://a") && !is_postgres("sqlite:a"));
    }
}
