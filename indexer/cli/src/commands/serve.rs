//! `provenance serve`: answers over HTTP until SIGTERM. It only reads; `run --listen` does the same beside its work.

use std::sync::Arc;

use serve::{Listener, Nudge, Parts, ServeOptions, Service};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::args::{ListenArgs, ServeArgs};
use crate::clock::SystemClock;
use crate::random::OsRandom;
use crate::settings::Settings;
use crate::text::complain;
use crate::{Exit, opening};

mod registry;
mod rooms;

use registry::OurRegistry;
use rooms::Kept;
pub(crate) use rooms::OurRules;

/// Without `--listen`: this machine only.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

pub(crate) async fn run(args: &ServeArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = opening::to_read(settings).await?;
    let stop = opening::stop_signal();
    let served = Served::open(&args.listen, settings, Arc::clone(&opened.store), None, &stop).await?;
    served.until_stopped(&stop).await;
    opened.close().await;
    Ok(Exit::Done)
}

/// Sockets that are listened on, and what answers there.
pub(super) struct Served {
    service: Arc<Service>,
    listener: Listener,
    metrics: Option<Listener>,
}

impl Served {
    /// Listens, and says where on stderr: port 0 is any free one.
    pub(super) async fn open(
        args: &ListenArgs,
        settings: &Settings,
        store: Arc<dyn Store>,
        nudge: Option<Arc<dyn Nudge>>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let listener = Listener::bind(args.listen.as_deref().unwrap_or(DEFAULT_ADDRESS)).await?;
        complain(&format!("listening on http://{}", listener.address()));
        let metrics = match &args.metrics_listen {
            Some(address) => Some(Listener::bind(address).await?),
            None => None,
        };
        if let Some(listener) = &metrics {
            complain(&format!("figures on http://{}/metrics", listener.address()));
        }
        let service = Service::new(Parts {
            graphs: Arc::new(Kept::new(Arc::clone(&store))),
            store,
            clock: Arc::new(SystemClock),
            rules: Arc::new(OurRules),
            nudge,
            registry: OurRegistry::open(settings)?.map(|registry| Arc::new(registry) as Arc<dyn serve::Registry>),
            random: Arc::new(OsRandom),
            options: ServeOptions { hook_secret: args.hook_secret.clone(), ..ServeOptions::default() },
            stop: stop.clone(),
        })?;
        Ok(Self { service, listener, metrics })
    }

    /// Answers until `stop`, and a little longer.
    pub(super) async fn until_stopped(self, stop: &CancellationToken) {
        let (service, options) = (&self.service, self.service.options());
        let figures = async {
            if let Some(listener) = self.metrics {
                listener.serve(serve::metrics_router(service), options, stop).await;
            }
        };
        let answers = self.listener.serve(serve::router(service), options, stop);
        tokio::join!(answers, figures, service.upkeep());
    }
}
