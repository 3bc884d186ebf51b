//! The agent against hand-made servers on the loopback interface that misbehave in one way each.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a server does with one connection.
#[derive(Clone)]
enum Reply {
    /// Writes this and closes.
    Text(String),
    /// Writes this and then nothing, for ever.
    Hang(String),
}

struct Server {
    url: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

/// Answers the n-th connection with the n-th reply, the last one again and again.
async fn serve(replies: Vec<Reply>) -> Server {
    serve_on("127.0.0.1", replies).await
}

async fn serve_on(host: &str, replies: Vec<Reply>) -> Server {
    let listener = TcpListener::bind((host, 0)).await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        let mut replies = replies.into_iter();
        let mut reply = replies.next().unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, reply.clone(), Arc::clone(&seen)));
            reply = replies.next().unwrap_or(reply);
        }
    });
    Server { url, requests }
}

async fn answer(mut stream: TcpStream, reply: Reply, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    let (Reply::Text(text) | Reply::Hang(text)) = &reply;
    let _ = stream.write_all(text.as_bytes()).await;
    if matches!(reply, Reply::Hang(_)) {
        std::future::pending::<()>().await;
    }
}

fn ok(body: &str) -> Reply {
    status("200 OK", "", body)
}

fn status(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Text(format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
}

fn options() -> AgentOptions {
    let limit = Duration::from_millis(200);
    AgentOptions { connect_timeout: limit, stall_timeout: limit, ..AgentOptions::default() }
}

/// An agent that notes its pauses instead of making them.
fn agent(options: AgentOptions) -> (Agent, Arc<Mutex<Vec<Duration>>>) {
    crate::install_crypto_provider();
    let notes = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&notes);
    let pauses: Pauses = Box::new(move |pause| {
        taken.lock().unwrap().push(pause);
        Box::pin(std::future::ready(()))
    });
    (Agent::with_pauses(options, pauses).unwrap(), notes)
}

async fn get(agent: &Agent, url: &Url) -> Result<bytes::Bytes, NetError> {
    agent.get(Get::new(url.clone())).await?.bytes().await
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let busy = status("503 Busy", "", "");
    let server = serve(vec![busy, Reply::Text(String::new()), ok("fine")]).await;
    let (agent, pauses) = agent(options());
    assert_eq!(get(&agent, &server.url).await.unwrap(), "fine");
    assert_eq!(server.requests.lock().unwrap().len(), 3);
    let pauses = pauses.lock().unwrap();
    assert!(pauses[0] >= Duration::from_millis(250) && pauses[0] <= Duration::from_millis(500), "{pauses:?}");
    assert!(pauses[1] >= Duration::from_millis(500) && pauses[1] <= Duration::from_secs(1), "{pauses:?}");
}

#[tokio::test]
async fn retry_after_is_honoured_in_both_forms() {
    let seconds = status("429 Slow Down", "Retry-After: 77\r\n", "");
    let dates = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:20 GMT\r\n";
    let server = serve(vec![seconds, status("503 Busy", dates, ""), ok("fine")]).await;
    let (agent, pauses) = agent(options());
    assert_eq!(get(&agent, &server.url).await.unwrap(), "fine");
    assert_eq!(*pauses.lock().unwrap(), [Duration::from_secs(77), Duration::from_secs(43)]);
}

#[tokio::test]
async fn a_retry_after_beyond_patience_ends_the_tries() {
    let server = serve(vec![status("429 Slow Down", "Retry-After: 3600\r\n", "")]).await;
    let (agent, pauses) = agent(options());
    let error = get(&agent, &server.url).await.unwrap_err();
    let NetError::Status { status: 429, retry_after: Some(asked), attempts: 1, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(asked, Duration::from_hours(1));
    assert!(pauses.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tries_come_to_an_end() {
    for code in [429, 500, 502, 503, 504] {
        let server = serve(vec![status(&format!("{code} No"), "", "")]).await;
        let (agent, _) = agent(options());
        let error = get(&agent, &server.url).await.unwrap_err();
        assert!(matches!(error, NetError::Status { status, attempts: 4, .. } if status == code), "{error:?}");
        assert!(error.is_transient());
        assert_eq!(server.requests.lock().unwrap().len(), 4);
    }
}

#[tokio::test]
async fn every_other_status_is_an_answer() {
    let server = serve(vec![status("404 Gone Fishing", "X-Why: fish\r\n", "no")]).await;
    let (agent, _) = agent(options());
    let answer = agent.get(Get::new(server.url.clone())).await.unwrap();
    assert_eq!((answer.status, answer.header("x-why")), (404, Some("fish")));
    assert_eq!(answer.bytes().await.unwrap(), "no");
}

#[tokio::test]
async fn a_refused_port_costs_one_wait_for_all() {
    // Bound and dropped: nobody listens there now.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    let (agent, _) = agent(options());
    let errors = futures::future::join_all((0..100).map(|_| get(&agent, &url))).await;
    let connected = errors.iter().filter(|error| matches!(error, Err(NetError::Connect { .. }))).count();
    let down = errors.iter().filter(|error| matches!(error, Err(NetError::HostDown { .. }))).count();
    assert!(connected <= 3, "{connected}");
    assert_eq!(connected + down, 100);
    let states = agent.host_states();
    assert_eq!((states.len(), states[0].up, states[0].failures, states[0].in_flight), (1, false, 3, 0));
    assert!(states[0].reason.as_deref().unwrap().contains("refused"), "{states:?}");
}

#[tokio::test]
async fn a_silent_host_costs_one_wait_for_all() {
    let server = serve(vec![Reply::Hang(String::new())]).await;
    let stall = Duration::from_millis(50);
    let (agent, _) = agent(AgentOptions { connect_timeout: stall, stall_timeout: stall, ..options() });
    let errors = futures::future::join_all((0..100).map(|_| get(&agent, &server.url))).await;
    assert!(errors.iter().all(Result::is_err));
    assert_eq!(server.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_host_that_recovers_is_up_again() {
    let server = serve(vec![Reply::Hang(String::new()), ok("back")]).await;
    let limits = AgentOptions { breaker_failures: 1, breaker_pause: Duration::ZERO, ..options() };
    let (agent, _) = agent(limits);
    assert_eq!(get(&agent, &server.url).await.unwrap(), "back");
    assert!(agent.host_states()[0].up);
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let end = serve(vec![ok("end")]).await;
    let start = serve(vec![status("302 Found", &format!("Location: {}x?y=1\r\n", end.url), "")]).await;
    let round = serve(vec![status("301 Moved", "Location: /again\r\n", "")]).await;
    let (agent, _) = agent(options());
    let answer = agent.get(Get::new(start.url)).await.unwrap();
    assert_eq!(answer.url.as_str(), format!("{}x?y=1", end.url));
    let error = get(&agent, &round.url).await.unwrap_err();
    assert!(matches!(error, NetError::TooManyRedirects { limit: 5, .. }), "{error:?}");
    assert_eq!(round.requests.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn redirects_to_other_schemes_are_refused() {
    for target in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://user:secret@127.0.0.1/"] {
        let server = serve(vec![status("302 Found", &format!("Location: {target}\r\n"), "")]).await;
        let (agent, _) = agent(options());
        let error = get(&agent, &server.url).await.unwrap_err();
        assert!(matches!(error, NetError::BadUrl { .. }), "{error:?}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn private_addresses_are_refused_as_literals_and_as_names() {
    let server = serve(vec![ok("secret")]).await;
    let port = server.url.port().unwrap();
    let (agent, _) = agent(options());
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "169.254.169.254"] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let error = agent.get(Get { addresses: Addresses::PublicOnly, ..Get::new(url) }).await.unwrap_err();
        assert!(matches!(error, NetError::RefusedAddress { .. }), "{host}: {error:?}");
        assert!(!error.is_transient());
    }
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let inside = serve(vec![ok("secret")]).await;
    let named = inside.url.as_str().replace("127.0.0.1", "localhost");
    for target in [inside.url.as_str(), &named] {
        let redirect = status("307 Over There", &format!("Location: {target}\r\n"), "");
        let outside = serve_on("127.0.0.2", vec![redirect]).await;
        let (agent, _) = agent(options());
        let addresses = Addresses::PublicAnd("127.0.0.2".parse().unwrap());
        let error = agent.get(Get { addresses, ..Get::new(outside.url) }).await.unwrap_err();
        assert!(matches!(error, NetError::RefusedAddress { .. }), "{error:?}");
        assert_eq!(outside.requests.lock().unwrap().len(), 1);
    }
    assert!(inside.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn secrets_stay_with_their_host() {
    let other = serve(vec![ok("fine")]).await;
    let first = serve(vec![status("302 Found", &format!("Location: {}\r\n", other.url), "")]).await;
    let (agent, _) = agent(options());
    let headers = vec![("Authorization", "token".to_owned()), ("If-None-Match", "\"tag\"".to_owned())];
    agent.get(Get { headers, ..Get::new(first.url) }).await.unwrap();
    assert!(first.requests.lock().unwrap()[0].contains("authorization: token"));
    let seen = other.requests.lock().unwrap()[0].clone();
    assert!(!seen.contains("token") && seen.contains("if-none-match: \"tag\""), "{seen}");
}

#[tokio::test]
async fn headers_that_are_none_are_refused() {
    let server = serve(vec![ok("fine")]).await;
    let (agent, _) = agent(options());
    for header in [("two words", "x"), ("x", "a\r\nb: c")] {
        let headers = vec![(header.0, header.1.to_owned())];
        let error = agent.get(Get { headers, ..Get::new(server.url.clone()) }).await.unwrap_err();
        assert!(matches!(error, NetError::BadUrl { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn what_speaks_no_tls_is_no_secure_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 No TLS here\r\n\r\n").await;
        }
    });
    let (agent, _) = agent(options());
    let error = get(&agent, &url).await.unwrap_err();
    assert!(matches!(error, NetError::Tls { .. }), "{error:?}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn long_bodies_are_refused_announced_or_not() {
    let unannounced = Reply::Text(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100)));
    for reply in [ok(&"x".repeat(100)), unannounced] {
        let server = serve(vec![reply]).await;
        let (agent, _) = agent(options());
        let fetch = |max_bytes| {
            let get = Get { max_bytes, ..Get::new(server.url.clone()) };
            async { agent.get(get).await?.bytes().await }
        };
        assert_eq!(fetch(100).await.unwrap().len(), 100);
        let error = fetch(99).await.unwrap_err();
        assert!(matches!(error, NetError::TooLarge { limit: 99, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_stalled_body_and_a_short_one_are_errors() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let (agent, _) = agent(options());
    let stalled = serve(vec![Reply::Hang(head.to_owned())]).await;
    let error = get(&agent, &stalled.url).await.unwrap_err();
    assert!(matches!(error, NetError::Timeout { .. }), "{error:?}");
    let short = serve(vec![Reply::Text(head.to_owned())]).await;
    let error = get(&agent, &short.url).await.unwrap_err();
    assert!(matches!(error, NetError::Interrupted { received: 4, .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let server = serve(vec![Reply::Text("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned())]).await;
    let (agent, _) = agent(options());
    let error = get(&agent, &server.url).await.unwrap_err();
    assert!(matches!(error, NetError::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn offline_means_no_request_at_all() {
    let server = serve(vec![ok("fine")]).await;
    let (agent, _) = agent(AgentOptions { offline: true, ..options() });
    let error = get(&agent, &server.url).await.unwrap_err();
    assert!(matches!(error, NetError::Offline { .. }), "{error:?}");
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocking_agent_works_on_blocking_threads() {
    let server = serve(vec![ok("posted")]).await;
    crate::install_crypto_provider();
    let url = server.url.clone();
    #[expect(clippy::disallowed_methods, reason = "this is what libgit2's callers do")]
    let text = tokio::task::spawn_blocking(move || {
        let agent = crate::BlockingAgent::new(options()).unwrap();
        let body = Some("hello".into());
        let answer = agent.exchange(Exchange { body, ..Exchange::from(Get::new(url)) }).unwrap();
        std::io::read_to_string(answer).unwrap()
    })
    .await
    .unwrap();
    assert_eq!(text, "posted");
    assert!(server.requests.lock().unwrap()[0].starts_with("POST / "));
}
