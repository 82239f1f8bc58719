//! `serve`: looks after all executions of a data folder, and offers them over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::access::Access;
use crate::api::{Api, Server, Settings};
use crate::cli::args::HostLimitArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;
use crate::cli::signals::Asked;
use crate::config::{ServerConfig, TlsFiles};
use crate::engine::{Event, Observer};
use crate::secrets::{ExposeSecret as _, SecretString};
use crate::service::{LocalService, ServiceError};
use crate::store::Status;

#[derive(Debug, Args)]
pub(crate) struct ServeCommand {
    /// How long running checkpoints and requests may take to their end when the host is stopped, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
    /// Where to listen; port 0 is any free one. Also `listen` of `server` in kitaru.toml; 127.0.0.1:8383 if absent
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "no_http")]
    listen: Option<SocketAddr>,
    /// Serve no API and no page: only look after the executions
    #[arg(long)]
    no_http: bool,
    /// Certificate for TLS, with those above it (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "no_http")]
    tls_certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate", conflicts_with = "no_http")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    limits: HostLimitArgs,
}

/// The API, where it is served.
struct Served {
    api: Api,
    server: Server,
    url: String,
    login: SecretString,
}

impl ServeCommand {
    /// Whoever is to be heard needs a network, whatever is granted.
    pub(super) fn guests(&self) -> Guests {
        Guests { all: true, with_project: true, network: !self.no_http, ..Guests::default() }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.local_within(self.limits)?;
        let home = context.home()?.folder;
        let served = match self.no_http {
            true => None,
            false => Some(self.served(context, service.clone(), home.clone()).await?),
        };
        context.output.say(&format!("Looking after the executions in {}; Ctrl-C ends it", home.display()));
        let mut ready = json!({ "home": home, "durability": context.durability()?.mode.as_str() });
        if let (Some(served), Some(fields)) = (&served, ready.as_object_mut()) {
            context.output.say(&format!("Page and API: {}", served.url));
            context.output.say(&format!("Log in, once and within ten minutes: {}", served.login.expose_secret()));
            fields.insert("url".into(), served.url.clone().into());
            fields.insert("login_url".into(), served.login.expose_secret().into());
        }
        if context.output.is_json() {
            context.output.event("ready", &ready)?;
        }
        let url = served.as_ref().map(|served| served.url.as_str()).unwrap_or_default();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), home = %home.display(), url, "ready");
        let output = context.output.clone();
        let observer = Observer::of_stops(move |event| {
            note(&event);
            match event {
                // It may stay with the question; when it leaves it, nothing has changed for anybody.
                Event::Waiting { id } => output.say(&format!("{} waiting", id.execution)),
                Event::Stopped { execution, status } if status != Status::Waiting => output.say(&format!("{execution} {status}")),
                _ => {}
            }
        });
        self.until_stopped(context, &service, observer, served).await
    }

    async fn until_stopped(
        &self,
        context: &Context,
        service: &LocalService,
        observer: Observer,
        served: Option<Served>,
    ) -> Result<ExitCode, CliError> {
        let mut asked = Asked::listen();
        let (api, serving) = match served {
            Some(Served { api, server, .. }) => (Some(api), Some(tokio::spawn(server.serve()))),
            None => (None, None),
        };
        // Dropped with this: then connections that are left are cut.
        let serving = CutAtEnd(serving);
        let looking = service.look_after(observer);
        tokio::pin!(looking);
        tokio::select! {
            ended = &mut looking => { ended?; return Ok(ExitCode::SUCCESS); }
            () = asked.ends() => {}
        }
        // Before it is said: whoever reads it can rely on it.
        service.stop();
        if let Some(api) = &api {
            api.close();
        }
        context.output.say("Stopping: what runs comes to its end, and goes on at the next start");
        if context.output.is_json() {
            context.output.event("stopping", &json!({ "grace_seconds": self.grace }))?;
        }
        let both = async {
            let ended = looking.await;
            if let Some(api) = &api {
                api.end();
            }
            serving.ended().await;
            ended
        };
        let is_complete = tokio::select! {
            ended = both => {
                ended?;
                true
            }
            () = tokio::time::sleep(Duration::from_secs(self.grace)) => {
                context.output.say("Some checkpoints or requests still ran: checkpoints run again at the next start");
                false
            }
            () = asked.ends() => false,
        };
        tracing::info!(is_complete, "stopped");
        if context.output.is_json() {
            context.output.event("stopped", &json!({ "is_complete": is_complete }))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// How it is to serve: what flags say goes before what is configured.
    fn config(&self, context: &Context) -> Result<ServerConfig, CliError> {
        let mut config = context.server()?;
        config.listen = self.listen.unwrap_or(config.listen);
        if let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) {
            config.tls = Some(TlsFiles { certificate: certificate.clone(), key: key.clone() });
        }
        Ok(config)
    }

    async fn served(&self, context: &Context, service: LocalService, home: PathBuf) -> Result<Served, CliError> {
        let config = self.config(context)?;
        if config.is_open_to_listeners() {
            context.output.say(
                "warning: others can read along, because neither this host nor a proxy that it trusts encrypts what is said; give --tls-certificate and \
                 --tls-key, or listen on 127.0.0.1",
            );
        }
        let requests_per_second = config.requests_per_second;
        let mut settings = Settings::of(config, home);
        let listening = Server::bind(&settings).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            CliError::new(format!("{error}{cause}")).hint(error.hint())
        })?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let url = settings.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", reachable(listening.2)));
        settings.names = names(&url, listening.2);
        let access: Access = service.access().cloned().ok_or_else(|| CliError::new("this data folder serves nobody"))?;
        access.limit_requests(requests_per_second);
        let code = access.make_login_code().await.map_err(ServiceError::from)?;
        let login = SecretString::from(format!("{url}/login#code={}", code.code.expose_secret()));
        let api = Api::new(service.reached_at(url.clone()), access, settings);
        let server = Server::new(api.clone(), listening);
        Ok(Served { api, server, url, login })
    }
}

/// Tells in the log what becomes of an execution.
fn note(event: &Event) {
    match event {
        Event::Started { execution, flow, recorded: 0 } => tracing::info!(%execution, flow, "execution begun"),
        Event::Started { execution, flow, recorded } => tracing::info!(%execution, flow, recorded, "execution goes on"),
        Event::Waiting { id } => tracing::info!(execution = %id.execution, call = id.index, "execution asks"),
        Event::Stopped { execution, status: Status::Waiting } => {
            tracing::info!(%execution, status = "waiting", "execution waits")
        }
        Event::Stopped { execution, status } => tracing::info!(%execution, status = status.as_str(), "execution ended"),
        _ => {}
    }
}

/// The names under which a server is reached that listens there.
fn names(url: &str, address: SocketAddr) -> Vec<String> {
    let own = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default().to_owned();
    let port = address.port();
    let mut names = vec![own, address.to_string()];
    names.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}")));
    names
}

/// The address by which this machine reaches one that listens everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut at = address;
    if address.ip().is_unspecified() {
        at.set_ip(if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    at
}

/// A task that does not outlive this.
struct CutAtEnd(Option<tokio::task::JoinHandle<()>>);

impl CutAtEnd {
    async fn ended(mut self) {
        if let Some(task) = &mut self.0 {
            let _ = task.await;
        }
    }
}

impl Drop for CutAtEnd {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
