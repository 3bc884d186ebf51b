//! An S3-compatible service on 127.0.0.1, where `moto_server` is installed; it ends with the test.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A service with one empty bucket, `kept`.
pub(crate) struct Bucket {
    server: Child,
    port: u16,
}

impl Bucket {
    /// What the service is asked with; it takes anything.
    pub(crate) const SECRET: &'static str = "a-secret-access-key";

    pub(crate) fn start() -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a service that may be installed is found through the environment"
        )]
        let program = std::env::var_os("PROVENANCE_TEST_MOTO").unwrap_or_else(|| "moto_server".into());
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let bucket = Self { server: command.spawn().ok()?, port };
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::yield_now();
        }
        assert_eq!(bucket.asked("PUT", "/kept").0, 200);
        Some(bucket)
    }

    /// Gives a command the variables by which it finds the service.
    pub(crate) fn reached_by<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", "an-id")
            .env("AWS_SECRET_ACCESS_KEY", Self::SECRET)
            .env("AWS_REGION", "us-east-1")
    }

    /// The bytes at a path; `None` when there are none.
    pub(crate) fn get(&self, path: &str) -> Option<Vec<u8>> {
        let (status, body) = self.asked("GET", path);
        (status == 200).then_some(body)
    }

    /// One request by hand, so that the answer is not read by the library under test.
    fn asked(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let path = path.replace('+', "%2B");
        // Somebody must ask; the service does not look whether it is true.
        let who = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let head = format!("Host: 127.0.0.1\r\nAuthorization: {who}\r\nContent-Length: 0\r\n\r\n");
        write!(stream, "{method} {path} HTTP/1.0\r\n{head}").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer[end + 4..].to_vec())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
