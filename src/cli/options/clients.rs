//! What a client may cost, who is believed, and which rights the server keeps.

use std::time::Duration;

use clap::Args;
use httpoll::confine::Sandbox;
use httpoll::service::HostName;

use crate::cli::values::{self, Proxy};

#[derive(Args, Debug)]
#[command(next_help_heading = "Connections and limits")]
pub(in crate::cli) struct LimitOptions {
    /// For a whole request head, however it drips in
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::duration)]
    pub(in crate::cli) header_timeout: Duration,
    /// For a request body without progress
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = values::duration)]
    pub(in crate::cli) body_timeout: Duration,
    /// Bytes per second that a body must make
    #[arg(long, value_name = "SIZE", default_value = "500", value_parser = values::size)]
    pub(in crate::cli) min_rate: u64,
    /// Between two requests of a connection
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = values::duration)]
    pub(in crate::cli) idle_timeout: Duration,
    /// For an answer of which the client takes nothing
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = values::duration)]
    pub(in crate::cli) write_timeout: Duration,
    /// Largest request body (413)
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = values::size)]
    pub(in crate::cli) max_body: u64,
    /// At once [default: by the descriptor limit; 512 for threads]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(in crate::cli) max_connections: Option<usize>,
    /// At once from one address [default: any number]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub(in crate::cli) max_per_ip: Option<usize>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Names and proxies")]
pub(in crate::cli) struct TrustOptions {
    /// Answer to this Host only, 421 to others; repeatable [default: to any]
    #[arg(long, value_name = "NAME", value_parser = values::host)]
    pub(in crate::cli) allow_host: Vec<HostName>,
    /// Believe Forwarded and X-Forwarded-For from here (or unix); repeatable
    #[arg(long, value_name = "CIDR", value_parser = values::proxy)]
    pub(in crate::cli) trusted_proxy: Vec<Proxy>,
    /// Require a PROXY header on all listeners (one: --listen proxy:ADDR)
    #[arg(long)]
    pub(in crate::cli) proxy_protocol: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Rights")]
pub(in crate::cli) struct Rights {
    /// Become this user once the ports are bound; needs root
    #[arg(long, value_name = "NAME[:GROUP]")]
    pub(in crate::cli) user: Option<String>,
    /// Rights to give up: auto, strict (system calls too), off
    #[arg(long, value_name = "MODE", default_value = "auto",
          value_parser = values::one_of(&SANDBOXES), hide_possible_values = true)]
    pub(in crate::cli) sandbox: Sandbox,
}

const SANDBOXES: [(&str, Sandbox); 3] = [
    ("auto", Sandbox::Auto),
    ("strict", Sandbox::Strict),
    ("off", Sandbox::Off),
];
