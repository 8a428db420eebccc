//! What a command works with: the global options, the output, and the way to the server.

use std::path::PathBuf;

use super::args::Global;
use super::client::Client;
use super::configured;
use super::exit::Failure;
use super::locate::{Asked, Place, Places, places};
use super::output::{Format, Output};

/// What a command works with.
pub struct Session {
    /// The options every command takes.
    pub global: Global,
    /// Where words go.
    pub out: Output,
}

impl Session {
    /// A session as the global options ask.
    pub fn new(global: Global) -> Self {
        let out = Output::new(&global);
        Session { global, out }
    }

    /// The way to the admin side.
    pub async fn client(&self) -> Result<Client, Failure> {
        let env = |name: &str| std::env::var(name).ok();
        let asked = Asked {
            socket: self.global.socket.as_deref(),
            server: self.global.server.as_deref(),
            env: &env,
            configured: configured::socket(),
        };
        let places = places(asked)?;
        let key_file = env("ARGUS_ADMIN_KEY_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
        if matches!(&places, Places::Named(Place::Server(_))) && key_file.is_none() {
            return Err(Failure::usage("an admin side elsewhere wants its key")
                .hint("ARGUS_ADMIN_KEY_FILE names the file that holds it"));
        }
        let client = Client::connect(places, key_file).await?;
        if client.sends_key_in_clear() {
            self.out.warn(&format!("the admin key travels unprotected to {}; use https", client.shown()));
        }
        self.out.detail(&format!("admin side: {}", client.shown()));
        Ok(client)
    }

    /// Whether results are for people.
    pub fn is_human(&self) -> bool {
        self.out.format == Format::Human
    }
}
