//! `argus key`: everything that is done to keys.

mod create;
mod edit;
mod find;
mod import;
mod list;
mod rotate;
mod scan_rule;
mod settings;
mod show;
mod state;

use clap::Subcommand;

use super::client::{Client, segment};
use super::exit::{Failure, Outcome};
use super::session::Session;
use super::verify;
use crate::model::key_format;

pub(super) use settings::pair;

pub(super) const EXAMPLES: &str = "\
Examples:
  argus key create mobile --scope orders:read --limit 100/min --expires 90d
  argus key list --owner acme
  argus key rotate mobile --overlap 24h";

/// What is done to keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it, once.
    #[command(before_help = create::EXAMPLES)]
    Create(Box<create::CreateArgs>),
    /// List keys.
    #[command(before_help = list::EXAMPLES)]
    List(list::ListArgs),
    /// Show all there is to know about a key.
    #[command(before_help = show::EXAMPLES)]
    Show(show::ShowArgs),
    /// Change a key's settings; its secret stays.
    #[command(before_help = edit::EXAMPLES)]
    Edit(Box<edit::EditArgs>),
    /// Replace a key by a new one with the same settings; the old one works on for a while.
    #[command(before_help = rotate::EXAMPLES)]
    Rotate(rotate::RotateArgs),
    /// Switch a key off until it is enabled again.
    #[command(before_help = state::DISABLE_EXAMPLES)]
    Disable(state::NamedArgs),
    /// Switch a disabled key on again.
    #[command(before_help = state::ENABLE_EXAMPLES)]
    Enable(state::NamedArgs),
    /// Revoke a key for ever.
    #[command(before_help = state::REVOKE_EXAMPLES)]
    Revoke(state::RevokeArgs),
    /// Revoke a key and forget it; only who, when and why is kept for a time.
    #[command(before_help = state::DELETE_EXAMPLES)]
    Delete(state::DeleteArgs),
    /// Say whether a key is good, reading it from a file, standard input or a prompt.
    #[command(before_help = verify::KEY_EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// Take over keys made elsewhere, plain or hashed.
    #[command(before_help = import::EXAMPLES)]
    Import(import::ImportArgs),
    /// Find keys in files, recognised by their checksum without asking anybody.
    #[command(before_help = find::EXAMPLES)]
    Find(find::FindArgs),
    /// Print the rule by which a secret scanner finds our keys.
    #[command(name = "scan-rule", before_help = scan_rule::EXAMPLES)]
    ScanRule(scan_rule::ScanRuleArgs),
}

/// Does it.
pub async fn run(session: &mut Session, command: KeyCommand) -> Outcome {
    match command {
        KeyCommand::Create(args) => create::run(session, *args).await,
        KeyCommand::List(args) => list::run(session, args).await,
        KeyCommand::Show(args) => show::run(session, args).await,
        KeyCommand::Edit(args) => edit::run(session, *args).await,
        KeyCommand::Rotate(args) => rotate::run(session, args).await,
        KeyCommand::Disable(args) => state::disable(session, args).await,
        KeyCommand::Enable(args) => state::enable(session, args).await,
        KeyCommand::Revoke(args) => state::revoke(session, args).await,
        KeyCommand::Delete(args) => state::delete(session, args).await,
        KeyCommand::Verify(args) => verify::run(session, args).await,
        KeyCommand::Import(args) => import::run(session, args).await,
        KeyCommand::Find(args) => find::run(session, args).await,
        KeyCommand::ScanRule(args) => scan_rule::run(session, args),
    }
}

/// The address of a key named by a person.
fn path(name: &str) -> Result<String, Failure> {
    no_secret(name)?;
    Ok(format!("/v1/keys/{}", segment(name)))
}

/// Refuses a whole key where its name or id is wanted, without repeating it: everybody on the machine can read a
/// command line, and an address ends up in logs.
pub(super) fn no_secret(name: &str) -> Result<(), Failure> {
    match key_format::parse(name.as_bytes()) {
        None => Ok(()),
        Some(parts) => Err(Failure::usage("a whole key stands on the command line, where everybody here can read it")
            .hint(format!("name it by its id, `{}`", parts.id))),
    }
}

/// What a plan grants, as people say it: `3000/min, 2 000 000/month`. Empty if it cannot be learnt.
async fn plan_grants(client: &Client, plan: &str) -> String {
    match client.get(&format!("/v1/plans/{}", segment(plan))).await {
        Ok(answer) => super::plan::grants(&answer.body),
        // Only told on the side: the key itself was what was asked for.
        Err(_) => String::new(),
    }
}
