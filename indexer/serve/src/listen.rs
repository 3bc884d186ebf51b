//! The socket: accepts connections up to a bound, gives slow clients up, and ends what is under way when told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::unstuck::Unstuck;
use crate::{ServeError, ServeOptions};

/// After a failed accept (no file descriptor left, say) the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that is listened on.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on an address; port 0 is any free one.
    ///
    /// # Errors
    /// When the address is none, taken, or not ours.
    pub async fn bind(address: &str) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { address: address.to_owned(), source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// The address, with the port that was free.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, and then for [`ServeOptions::stop_time`] more at most.
    pub async fn serve(self, router: Router, options: &ServeOptions, stop: &CancellationToken) {
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(options.max_connections));
        let protocol = protocol(options);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept(&room) => accepted,
            };
            let Some((stream, permit)) = accepted else { continue };
            // Small answers go out at once.
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(router.clone());
            let stream = Unstuck::new(stream, options.write_time);
            let connection = protocol.serve_connection(TokioIo::new(stream), service);
            let watched = graceful.watch(connection);
            tokio::spawn(async move {
                // A client that goes away, or sends no HTTP, is its own business.
                if let Err(error) = watched.await {
                    tracing::debug!(error = error.to_string(), "a connection ended early");
                }
                drop(permit);
            });
        }
        drop(self.socket);
        if tokio::time::timeout(options.stop_time, graceful.shutdown()).await.is_err() {
            tracing::info!("stopped in the middle of some answers");
        }
    }

    /// One connection, once there is room for it; `None` when it failed.
    async fn accept(&self, room: &Arc<Semaphore>) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(room).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, _)) => Some((stream, permit)),
            Err(error) => {
                tracing::warn!(error = error.to_string(), "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

fn protocol(options: &ServeOptions) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_time)
        .max_buf_size(options.max_headers)
        .half_close(false);
    protocol
}
