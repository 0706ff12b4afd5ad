//! `admin`: what only who holds the data directory can do, beside a running server.

use clap::{Args, Subcommand};
use countersign_model::{
    name::{Email, TenantName},
    registry::TenantRole,
};
use countersign_server::{
    admin::{self, Rotated},
    clock::Clock,
};

use super::serve::Place;
use crate::{app::App, failure::Failure, input::word};

/// For who holds the data directory: let people in, make tenants
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Print a one-time code with which a person signs in; good for 15 minutes
    #[command(
        after_help = "Example:\n  countersign login \\\n    --code \"$(countersign admin enrol dana@example.com --data ./data)\""
    )]
    Enrol(Enrol),
    /// Tenants, each an issuer of its own
    #[command(subcommand)]
    Tenant(Tenant),
    /// Print a new key file, for servers that share a PostgreSQL database
    ///
    /// It encrypts the signing keys. Keep it apart from the database, with mode 0600.
    #[command(
        after_help = "Example:\n  countersign admin key > countersign.key && chmod 600 countersign.key"
    )]
    Key,
    /// The key file in use
    #[command(subcommand)]
    KeyFile(KeyFile),
    /// Declare that the database was restored: earlier tokens die, the log begins anew
    ///
    /// Every tenant's epoch is raised, approvals are voided, and the log goes on under another name
    /// that cites the old one. Stop the server first.
    #[command(after_help = "Example:\n  countersign admin restored --data ./data")]
    Restored {
        #[command(flatten)]
        place: Place,
    },
}

/// Who, and as what.
#[derive(Debug, Args)]
pub struct Enrol {
    /// Whose code it is
    email: Email,
    /// The role: owner, member, auditor; the first user is an owner, others are members
    #[arg(long, value_parser = word::<TenantRole>)]
    role: Option<TenantRole>,
    /// The tenant; without it, the first one
    #[arg(long)]
    tenant: Option<TenantName>,
    #[command(flatten)]
    place: Place,
}

/// Tenants, each an issuer of its own.
#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Print a one-time code that makes the tenant when its owner signs in with it
    #[command(
        after_help = "Example:\n  countersign admin tenant create acme --owner dana@acme.example --data ./data"
    )]
    Create(TenantCreate),
}

/// Which tenant, and whose.
#[derive(Debug, Args)]
pub struct TenantCreate {
    /// Its name, part of its issuer
    name: TenantName,
    /// Its first owner
    #[arg(long, value_name = "EMAIL")]
    owner: Email,
    #[command(flatten)]
    place: Place,
}

/// The key file in use.
#[derive(Debug, Subcommand)]
pub enum KeyFile {
    /// Make a new key file and encrypt every key with it; the old one is kept
    ///
    /// Stop every server first. When it is cut off, run it again: it goes on. One-time codes made before are no longer
    /// good; tokens, secrets and everything else stay as they are. Other servers on the same database need a copy of
    /// the new file before they start.
    #[command(after_help = "Example:\n  countersign admin key-file rotate --data ./data")]
    Rotate {
        #[command(flatten)]
        place: Place,
    },
}

impl Admin {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let clock = Clock::system();
        match self {
            Self::Enrol(args) => {
                let config = args.place.load(&[])?;
                let code =
                    admin::enrol(&config, &clock, args.email.clone(), args.role, args.tenant)?;
                app.out.talk(&format!(
                    "a code for {}, good once and for 15 minutes:",
                    args.email
                ));
                app.out.text(code.expose());
            }
            Self::Tenant(Tenant::Create(args)) => {
                let config = args.place.load(&[])?;
                let code =
                    admin::tenant_create(&config, &clock, args.name.clone(), args.owner.clone())?;
                app.out.talk(&format!(
                    "a code for {}, good once and for 15 minutes; signing in with it makes tenant `{}`:",
                    args.owner, args.name
                ));
                app.out.text(code.expose());
            }
            Self::Key => app.out.text(admin::key()?.expose()),
            Self::KeyFile(KeyFile::Rotate { place }) => {
                let done = admin::rotate_key_file(&place.load(&[])?, &clock).await?;
                app.out.talk(&match done.rotated {
                    Rotated::Before => "everything was under the new key file before".to_owned(),
                    Rotated::Now(keys) => format!("{keys} keys are encrypted anew"),
                });
                app.out.talk(&format!(
                    "the old key file is kept as `{}`: backups from before need it; keep it with them, or delete it",
                    done.kept.display()
                ));
                app.out.text(&format!(
                    "the key file is `{}`, id {}",
                    done.path.display(),
                    done.id
                ));
            }
            Self::Restored { place } => {
                let done = admin::restored(&place.load(&[])?, &clock).await?;
                app.out.text(&format!(
                    "tokens of {} tenants are dead, {} approvals are void, the log goes on as {}",
                    done.tenants, done.approvals, done.origin
                ));
            }
        }
        Ok(())
    }
}
