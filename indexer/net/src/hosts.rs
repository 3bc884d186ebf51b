//! What is known of each host: up, in doubt or down, and how many requests it serves right now. It sends nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::error::with_causes;
use crate::{AgentOptions, NetError};

/// A host as `doctor` and `status` show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostState {
    /// Host and port.
    pub host: String,
    /// Whether it answered lately.
    pub up: bool,
    /// Connect failures and time-outs since the last answer.
    pub failures: u32,
    /// How much longer it is left alone; `None` when it is not.
    pub down_for: Option<Duration>,
    /// The first of those failures.
    pub reason: Option<String>,
    /// Requests under way.
    pub in_flight: usize,
}

/// All hosts met so far.
#[derive(Default)]
pub(crate) struct Hosts(Mutex<HashMap<String, Arc<Host>>>);

/// One host.
pub(crate) struct Host {
    name: String,
    at_once: usize,
    breaker_failures: u32,
    breaker_pause: Duration,
    health: Mutex<Health>,
    /// Held by the one request that finds out whether the host is up.
    probe: Arc<tokio::sync::Mutex<()>>,
    permits: Arc<Semaphore>,
}

#[derive(Default)]
struct Health {
    up: bool,
    failures: u32,
    down_until: Option<Instant>,
    reason: Option<String>,
}

/// The right to send one request; dropping it without an outcome tells nothing about the host.
pub(crate) struct Pass {
    host: Arc<Host>,
    permit: OwnedSemaphorePermit,
    /// Held while the host is not known to be up.
    _probe: Option<OwnedMutexGuard<()>>,
}

impl Hosts {
    pub(crate) fn get(&self, name: &str, options: &AgentOptions) -> Arc<Host> {
        let mut hosts = lock(&self.0);
        let host = hosts.entry(name.to_owned()).or_insert_with(|| Arc::new(Host::new(name, options)));
        Arc::clone(host)
    }

    pub(crate) fn states(&self) -> Vec<HostState> {
        let mut states: Vec<_> = lock(&self.0).values().map(|host| host.state()).collect();
        states.sort_by(|a, b| a.host.cmp(&b.host));
        states
    }
}

impl Host {
    fn new(name: &str, options: &AgentOptions) -> Self {
        let at_once = options.per_host.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            name: name.to_owned(),
            at_once,
            breaker_failures: options.breaker_failures,
            breaker_pause: options.breaker_pause,
            health: Mutex::default(),
            probe: Arc::default(),
            permits: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// Waits for a turn. While nobody knows whether the host is up, turns come one after the other.
    pub(crate) async fn enter(self: &Arc<Self>) -> Result<Pass, NetError> {
        let mut probe = None;
        if !self.is_up()? {
            let turn = Arc::clone(&self.probe).lock_owned().await;
            if !self.is_up()? {
                probe = Some(turn);
            }
        }
        let permit = match Arc::clone(&self.permits).acquire_owned().await {
            Ok(permit) => permit,
            // Never closed; should it ever be, there is no turn to wait for.
            Err(closed) => return Err(NetError::Setup { source: closed.into() }),
        };
        // While this one waited for a permit the host may have gone down.
        self.is_up()?;
        Ok(Pass { host: Arc::clone(self), permit, _probe: probe })
    }

    fn is_up(&self) -> Result<bool, NetError> {
        let health = lock(&self.health);
        if health.down_until.is_some_and(|until| Instant::now() < until) {
            let reason = health.reason.clone().unwrap_or_default();
            return Err(NetError::HostDown { host: self.name.clone(), reason });
        }
        Ok(health.up)
    }

    fn state(&self) -> HostState {
        let health = lock(&self.health);
        HostState {
            host: self.name.clone(),
            up: health.up,
            failures: health.failures,
            down_for: health
                .down_until
                .map(|until| until.saturating_duration_since(Instant::now()))
                .filter(|left| !left.is_zero()),
            reason: health.reason.clone(),
            in_flight: self.at_once - self.permits.available_permits(),
        }
    }
}

impl Pass {
    /// The host answered, whatever it said. The permit is kept until the body is read.
    pub(crate) fn answered(self) -> OwnedSemaphorePermit {
        *lock(&self.host.health) = Health { up: true, ..Health::default() };
        self.permit
    }

    /// No answer; counted when the host is to blame.
    pub(crate) fn failed(self, error: &NetError) {
        if !error.blames_host() {
            return;
        }
        let host = &self.host;
        let mut health = lock(&host.health);
        health.failures = health.failures.saturating_add(1);
        health.reason.get_or_insert_with(|| with_causes(error));
        if matches!(error, NetError::Connect { .. }) {
            health.up = false;
        }
        if health.failures >= host.breaker_failures {
            health.up = false;
            health.down_until = Some(Instant::now() + host.breaker_pause);
            let reason = health.reason.as_deref().unwrap_or_default();
            tracing::warn!(host.name = host.name, host.failures = health.failures, reason, "host is taken for down");
        }
    }
}

/// No code panics while holding these locks, and a half-written health would still be a health.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
