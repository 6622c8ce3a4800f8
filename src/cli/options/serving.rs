//! Where, and by which backend.

use std::time::Duration;

use clap::Args;
use httpoll::config::Backend;

use crate::cli::listen::{self, Listen};
use crate::cli::values::{self, Workers};

#[derive(Args, Debug)]
#[command(next_help_heading = "Serving")]
pub(in crate::cli) struct Serving {
    /// ADDR:PORT, ADDR, NAME, PORT or unix:PATH; repeatable [default: localhost]
    #[arg(short, long, value_name = "ADDR", value_parser = listen::listen)]
    pub(in crate::cli) listen: Vec<Listen>,
    /// Port where --listen names none; 0 takes a free one [default: 8080]
    #[arg(short, long, value_parser = values::port)]
    pub(in crate::cli) port: Option<u16>,
    /// edge, level, poll, select, threads or blocking
    #[arg(short, long, value_name = "NAME", default_value = "edge",
          value_parser = values::one_of(&BACKENDS), hide_possible_values = true)]
    pub(in crate::cli) backend: Backend,
    /// Loops with clients and a cache of their own, or auto: one per processor
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = values::workers)]
    pub(in crate::cli) workers: Workers,
    /// Show the address as a QR code, for a phone: see --listen
    #[arg(long)]
    pub(in crate::cli) qr: bool,
    /// Open the address in a browser (xdg-open)
    #[arg(long)]
    pub(in crate::cli) open: bool,
    /// Answer Hello, World! at / (at /hello if DIR is given too)
    #[arg(long)]
    pub(in crate::cli) hello: bool,
    /// Share the port with another process; hand it over to that one at the end
    #[arg(long)]
    pub(in crate::cli) reuse_port: bool,
    /// How long a stop waits for answers in flight
    #[arg(long, value_name = "SECONDS", default_value = "10",
          value_parser = values::duration_or_zero)]
    pub(in crate::cli) grace: Duration,
}

const BACKENDS: [(&str, Backend); 6] = {
    let mut words = [("", Backend::Edge); 6];
    let mut at = 0;
    while at < words.len() {
        words[at] = (Backend::ALL[at].name(), Backend::ALL[at]);
        at += 1;
    }
    words
};
